"""OpenFeature's remote evaluation protocol."""

from __future__ import annotations

import pytest
from webkit import Site
from werkzeug.test import TestResponse

ONE = "/ofrep/v1/evaluate/flags/"
ALL = "/ofrep/v1/evaluate/flags"


def evaluate(site: Site, key: str, context: object, status: int = 200) -> dict:
    response = site.post(ONE + key, {"context": context})
    assert response.status_code == status, response.text
    return response.get_json()


def failed(response: TestResponse, status: int, code: str, says: str = "", key: str | None = None) -> None:
    document = response.get_json()
    assert (response.status_code, document["errorCode"], document.get("key")) == (status, code, key)
    assert says in document["errorDetails"]
    assert set(document) <= {"key", "errorCode", "errorDetails"}


def test_a_success_has_these_members_and_no_error(site: Site) -> None:
    assert evaluate(site, "everybody", {"targetingKey": "u-9"}) == {
        "key": "everybody",
        "value": True,
        "variant": "on",
        "reason": "STATIC",
        "metadata": {"revision": 1, "stale": False, "because": "stage everyone"},
    }


def test_metadata_is_flat(site: Site) -> None:
    metadata = evaluate(site, "everybody", {})["metadata"]
    assert all(isinstance(value, bool | str | int) for value in metadata.values())


def test_a_flag_without_a_value_leaves_the_value_to_the_caller(site: Site) -> None:
    document = evaluate(site, "theme", {})
    assert "value" not in document
    assert document["variant"] is None
    assert evaluate(site, "theme", {"country": "GB"})["value"] == {"background": "#000", "zoom": 2.0}


def test_the_targeting_key_is_the_user_id_where_that_is_not_given(site: Site) -> None:
    site.change("/v1/flags/payments/set", share="0.1%")
    assert evaluate(site, "payments", {"targetingKey": "u-1"})["value"] is True
    assert evaluate(site, "payments", {"user_id": "u-1"})["value"] is True
    assert evaluate(site, "payments", {"targetingKey": "u-1", "user_id": "u-9"})["value"] is False
    assert evaluate(site, "payments", {"targetingKey": "u-1", "user_id": None})["value"] is True


@pytest.mark.parametrize("body", [{}, {"context": {}}, {"context": None}, {"context": {}, "more": 1}])
def test_a_context_may_be_empty_or_missing(site: Site, body: dict) -> None:
    assert site.post(ONE + "everybody", body).get_json()["value"] is True


def test_a_share_without_a_targeting_key_fails(site: Site) -> None:
    failed(
        site.post(ONE + "per-account", {"context": {"targetingKey": "u-1"}}),
        400,
        "TARGETING_KEY_MISSING",
        "needs account_id",
        "per-account",
    )


@pytest.mark.parametrize(
    ("context", "says"),
    [
        ({"targetingKey": 12}, "targetingKey: "),
        ({"targetingKey": ["u-1"]}, "targetingKey"),
        ({"targetingKey": {}, "user_id": "u-1"}, "targetingKey"),
        ({"targetingKey": "u\n1"}, "control character"),
        ({"targetingKey": "u" * 2000}, "2000 characters"),
        ({"beta": "perhaps"}, "beta: 'perhaps' is not a boolean"),
        ({"age": True}, "age: "),
        ({"country": {"code": "IN"}}, "country"),
        ({f"a{number}": 1 for number in range(101)}, "101 attributes are too many"),
        ([], "context is not an object"),
        ("u-1", "context is not an object"),
    ],
)
def test_a_context_that_cannot_be_is_invalid(site: Site, context: object, says: str) -> None:
    failed(site.post(ONE + "everybody", {"context": context}), 400, "INVALID_CONTEXT", says, "everybody")
    failed(site.post(ALL, {"context": context}), 400, "INVALID_CONTEXT", says)


def test_large_and_fractional_numbers_are_fine(site: Site) -> None:
    for age in (10**18, 10**25, -1.5, 0):
        assert evaluate(site, "everybody", {"age": age})["value"] is True


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b"[]",
        b'"text"',
        b"{'context': {}}",
        b'{"context": {"age": NaN}}',
        b'{"context": {"age": 1e999}}',
        b'{"context": {"age": ' + b"9" * 5000 + b"}}",
        b'{"context": {}, "context": {}}',
        b'{"context": {"a": 1, "a": 2}}',
        b'{"context": {"a": "\xff"}}',
        b'{"context": {"a": "\\ud800"}}',
        b"[" * 30_000,
        b'{"a":' * 900 + b"1" + b"}" * 900,
        b'{"context": {"a": ' + b"[" * 20_000 + b"]" * 20_000 + b"}}",
        b"\xef\xbb\xbf{}",
        '{"context": {}}'.encode("utf-16"),
    ],
)
def test_what_is_not_json_is_a_parse_error(site: Site, body: bytes) -> None:
    response = site.http.post(ONE + "everybody", data=body, content_type="application/json")
    if response.status_code != 200:  # deep, but not too deep, for this Python
        failed(response, 400, "PARSE_ERROR", key="everybody")
    else:
        assert body.startswith(b'{"a":{')


def test_an_unknown_flag_is_not_found(site: Site) -> None:
    failed(site.post(ONE + "nope", {"context": {}}), 404, "FLAG_NOT_FOUND", "nope", "nope")


def test_a_body_of_another_type_or_size_is_refused_in_the_same_shape(site: Site) -> None:
    failed(site.http.post(ALL, data="a=b"), 415, "GENERAL", "Content-Type: application/json")
    failed(site.http.post(ALL, data=b"x" * 65_537, content_type="application/json"), 413, "GENERAL", "64 KiB")
    failed(site.get(ALL), 405, "GENERAL")
    failed(site.get(ONE + "everybody"), 405, "GENERAL", key=None)
    failed(site.get("/ofrep/v1/configuration"), 404, "GENERAL")


def test_all_flags_come_as_a_list_in_which_one_may_fail_alone(site: Site) -> None:
    document = site.post(ALL, {"context": {"targetingKey": "u-1"}}).get_json()
    items = {item["key"]: item for item in document["flags"]}
    assert list(items) == list(site.follower.current.evaluator.flags)
    assert items["per-account"]["errorCode"] == "TARGETING_KEY_MISSING"
    assert items["everybody"] == evaluate(site, "everybody", {"targetingKey": "u-1"})
    assert document["metadata"] == {"revision": 1, "stale": False}


def test_who_has_the_answer_already_is_told_so(site: Site) -> None:
    def ask(known: str, user: str = "u-1") -> TestResponse:
        return site.post(ALL, {"context": {"targetingKey": user}}, headers={"If-None-Match": known})

    etag = ask('"other"').headers["ETag"]
    for known in (etag, f"W/{etag}", f'"x", {etag}', f'W/"x",W/{etag}', "*"):
        response = ask(known)
        assert (response.status_code, response.data, response.headers["ETag"]) == (304, b"", etag)
    for known in ('"x"', etag.strip('"')[:-1], "", "W/", '"', ",,,"):
        assert ask(known).status_code == 200
    site.change("/v1/flags/everybody/kill")
    assert ask(etag).status_code == 200


def test_the_same_question_has_the_same_etag_on_every_server() -> None:
    first, second = (Site.with_flags().post(ALL, {"context": {"targetingKey": "u-1"}}).headers["ETag"] for _ in "ab")
    assert first == second
