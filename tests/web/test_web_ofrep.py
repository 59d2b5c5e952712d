"""OpenFeature's remote evaluation protocol."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from flask import abort
from webkit import Site
from werkzeug.test import TestResponse

from rollout.core.evaluation import Answer, Reason
from rollout.web.ofrep import evaluation_body

ONE = "/ofrep/v1/evaluate/flags/"
ALL = "/ofrep/v1/evaluate/flags"

NUMBERS = """\
version: 1
flags:
  whole-float: { description: A, owner: o, enabled: true, variants: { a: 2.0, b: 0.5 }, on: a }
  tenth: { description: A, owner: o, enabled: true, variants: { a: 0.1, b: 0.5 }, on: a }
  largest: { description: A, owner: o, enabled: true, variants: { a: 9007199254740991, b: 1 }, on: a }
  smallest: { description: A, owner: o, enabled: true, variants: { a: -9007199254740991, b: 1 }, on: a }
  object: { description: A, owner: o, enabled: true, variants: { a: { whole: 3.0, count: 3 }, b: {} }, on: a }
"""

THEMES = """\
version: 1
flags:
  theme:
    {{ description: A, owner: o, enabled: true, variants: {{ dark: "#000", light: "#fff" }}, on: light, off: {off} }}
  switched-off:
    {{ description: A, owner: o, enabled: false, variants: {{ dark: "#000", light: "#fff" }}, on: light, off: {off} }}
"""


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
        "metadata": {"revision": 1, "stale": False, "because": "stage everyone", "stage": "everyone"},
    }


def test_metadata_names_the_stage_or_the_rule_that_decided(site: Site) -> None:
    def decided(key: str, context: dict) -> dict:
        metadata = evaluate(site, key, context)["metadata"]
        return {name: metadata[name] for name in ("stage", "rule", "guard") if name in metadata}

    site.change("/v1/flags/payments/set", share="0.1%")
    assert decided("payments", {"targetingKey": "u-1"}) == {"stage": "employees"}
    assert decided("payments", {"targetingKey": "u-9"}) == {}
    assert decided("beta-people", {"beta": True}) == {"rule": 1}
    assert decided("merchant-payments", {"targetingKey": "u-1"}) == {}


def test_metadata_names_the_guard_that_excluded_somebody() -> None:
    answer = Answer("payments", False, "off", False, Reason.DEFAULT, "guard upi-failures")
    metadata = json.loads(evaluation_body(answer, 7, stale=False))["metadata"]
    assert metadata == {"revision": 7, "stale": False, "because": "guard upi-failures", "guard": "upi-failures"}


def test_metadata_is_flat(site: Site) -> None:
    metadata = evaluate(site, "everybody", {})["metadata"]
    assert all(isinstance(value, bool | str | int) for value in metadata.values())


def test_a_number_keeps_its_kind_and_every_digit() -> None:
    site = Site.with_flags(NUMBERS)
    body = site.post(ALL, {"context": {}}).text
    for written in ('"value":2.0,', '"value":9007199254740991,', '"value":-9007199254740991,', '"value":0.1,'):
        assert written in body
    assert '"value":{"whole":3.0,"count":3}' in body


@pytest.mark.parametrize(
    ("off", "served"), [("dark", {"variant": "dark", "value": "#000"}), ("null", {"variant": None})]
)
def test_a_killed_flag_and_a_disabled_one_serve_the_off_variant_or_no_value(off: str, served: dict) -> None:
    site = Site.with_flags(THEMES.format(off=off))
    assert evaluate(site, "theme", {})["reason"] == "STATIC"
    site.change("/v1/flags/theme/kill")
    for key in ("theme", "switched-off"):
        document = evaluate(site, key, {})
        assert document["reason"] == "DISABLED"
        assert {name: document[name] for name in ("variant", "value") if name in document} == served


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


@pytest.mark.parametrize("status", [401, 403, 429])
def test_who_is_turned_away_is_told_in_the_same_shape(status: int) -> None:
    site = Site.with_flags(fast=False)  # who answers in front of Flask turns nobody away

    def turn_away() -> None:
        abort(status)

    refusing(site, turn_away)
    for address, key in ((ALL, None), (ONE + "everybody", "everybody")):
        response = site.post(address, {"context": {}})
        failed(response, status, "GENERAL", key=key)
        assert response.mimetype == "application/json"
        assert ("Retry-After" in response.headers) == (status == 429)
        assert response.headers.get("Retry-After", "2").isdecimal()


def refusing(site: Site, turn_away: Callable[[], None]) -> None:
    site.app.before_request_funcs.setdefault(None, []).append(turn_away)


def test_a_server_without_flags_says_when_to_ask_again(empty_site: Site) -> None:
    for address, key in ((ALL, None), (ONE + "everybody", "everybody")):
        response = empty_site.post(address, {"context": {}})
        failed(response, 503, "GENERAL", "no flags", key)
        assert response.headers["Retry-After"].isdecimal()


def test_whatever_was_asked_for_is_named(site: Site) -> None:
    for key in ("a/b", "a%20b", "é", "A", "%00", "a" * 2000):
        response = site.post(ONE + key, {"context": {}})
        assert (response.status_code, response.get_json()["errorCode"]) == (404, "FLAG_NOT_FOUND")
        assert isinstance(response.get_json()["key"], str)
