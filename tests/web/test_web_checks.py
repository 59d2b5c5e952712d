"""Checks: who has which flag, over HTTP."""

from __future__ import annotations

import time

import pytest
from webkit import FLAGS, Site

EMPLOYEE = "user_id=u-1"


def check(site: Site, address: str, status: int = 200, **expected: object) -> dict:
    """What a check answers; of its members those named."""
    response = site.get(f"/v1/flags/{address}")
    assert response.status_code == status, response.text
    assert response.mimetype == "application/json"
    document = response.get_json()
    assert {name: document.get(name) for name in expected} == expected
    return document


def refused(site: Site, query: str, says: str, flag: str = "payments") -> None:
    error = check(site, f"{flag}?{query}", 400)["error"]
    assert says in f"{error['message']}; {error.get('hint')}"


def test_a_check_answers_exactly_the_documented_members(site: Site) -> None:
    assert check(site, "everybody?user_id=u-9") == {
        "flag": "everybody",
        "on": True,
        "value": True,
        "variant": "on",
        "reason": "STATIC",
        "revision": 1,
        "stale": False,
    }


def test_a_rollout_admits_as_the_operator_sets_it(site: Site) -> None:
    check(site, f"payments?{EMPLOYEE}&country=IN", on=False, reason="DEFAULT", revision=1)
    site.change("/v1/flags/payments/set", share="0.5%")
    check(site, f"payments?{EMPLOYEE}", on=True, reason="TARGETING_MATCH", revision=2)
    check(site, "payments?user_id=u-9&country=GB", on=False, reason="DEFAULT")
    site.change("/v1/flags/payments/kill")
    check(site, f"payments?{EMPLOYEE}", on=False, reason="DISABLED", revision=3)


def test_a_share_without_a_targeting_key_is_off_and_says_so(site: Site) -> None:
    document = check(site, "per-account?user_id=u-1", on=False, value=1, variant="small", reason="ERROR")
    assert document["error"]["code"] == "TARGETING_KEY_MISSING"
    assert "account_id" in document["error"]["message"]


def test_a_flag_without_a_value_says_null(site: Site) -> None:
    document = check(site, "theme", on=False, value=None, variant=None)
    assert {"value", "variant"} <= set(document)


def test_numbers_come_out_as_they_were_written(site: Site) -> None:
    assert '"zoom":2.0' in site.get("/v1/flags/theme?country=GB").text
    large = next(number for number in range(50) if check(site, f"per-account?account_id={number}")["on"])
    check(site, f"per-account?account_id={large}", value=9007199254740991)


def test_attributes_are_read_by_their_declared_type(site: Site) -> None:
    check(site, "beta-people?beta=true", on=True, reason="TARGETING_MATCH")
    check(site, "beta-people?beta=false", on=False)
    refused(site, "beta=yes", "beta: 'yes' is not a boolean; send true or false")
    refused(site, "age=forty", "age: 'forty' is not a number")
    refused(site, "age=NaN", "age: 'NaN' is not a number")
    refused(site, "app_version=newest", "app_version")
    refused(site, "since=yesterday", "since: 'yesterday' is not a date")


def test_what_nobody_declared_is_ignored_and_counted(site: Site) -> None:
    check(site, "everybody?utm=1&colour=red", on=True)
    assert "rollout_ignored_attributes_total 2.0" in site.get("/metrics").text


def test_an_attribute_given_twice_is_refused(site: Site) -> None:
    refused(site, "country=IN&country=GB", "'country' is given twice; send it once")
    refused(site, "user_id=u-1&user_id=u-1", "'user_id' is given twice")


def test_too_much_and_unprintable_is_refused(site: Site) -> None:
    refused(site, "&".join(f"a{number}=1" for number in range(101)), "101 parameters are too many; send at most 100")
    refused(site, "&".join(["a"] * 10_000), "10000 parameters are too many")
    refused(site, "user_id=" + "u" * 1025, "user_id is 1025 characters long")
    refused(site, "user_id=u%001", "control character")
    refused(site, "user_id=%ff", "not UTF-8")
    check(site, "everybody?user_id=" + "u" * 1024, on=True)
    check(site, "everybody?user_id=%E0%A4%9C%E0%A4%AF", on=True)


@pytest.mark.parametrize(
    "key", ["nope", "Payments", "payments ", "%00", "%ff", "ключ", "a" * 5000, "..", "%2e%2e", "*"]
)
def test_an_unknown_flag_is_a_404_that_says_so(site: Site, key: str) -> None:
    assert check(site, key, 404)["error"]["code"] in {"unknown_flag", "not_found"}


def test_unknown_flags_are_counted_without_their_names(site: Site) -> None:
    check(site, "made-up-name", 404)
    metrics = site.get("/metrics").text
    assert "rollout_unknown_flag_checks_total 1.0" in metrics
    assert "made-up-name" not in metrics


def test_all_flags_are_each_answered_as_one_alone_is(site: Site) -> None:
    site.change("/v1/flags/payments/set", share="1%")
    document = site.get(f"/v1/flags?{EMPLOYEE}").get_json()
    assert list(document["flags"]) == list(site.follower.current.evaluator.flags)
    for key, answer in document["flags"].items():
        assert answer == check(site, f"{key}?{EMPLOYEE}")
    assert document["revision"] == 2


def test_head_answers_as_get_without_the_body(site: Site) -> None:
    head, get = site.http.head("/v1/flags/everybody"), site.get("/v1/flags/everybody")
    assert (head.status_code, head.data) == (200, b"")
    assert dict(head.headers) == dict(get.headers)


def test_a_check_asks_the_store_nothing(site: Site) -> None:
    site.store.asked.clear()
    check(site, "payments?user_id=u-1")
    site.get("/v1/flags?user_id=u-1")
    site.post("/ofrep/v1/evaluate/flags/payments", {"context": {"targetingKey": "u-1"}})
    site.post("/ofrep/v1/evaluate/flags", {"context": {"targetingKey": "u-1"}})
    assert site.store.asked == []


def test_checks_go_on_while_the_store_is_away_and_say_that_they_may_be_stale(site: Site) -> None:
    before = check(site, "everybody?user_id=u-1")
    site.lose_store()
    assert check(site, "everybody?user_id=u-1") == before | {"stale": True}


def test_a_server_that_never_saw_flags_does_not_say_that_they_do_not_exist(empty_site: Site) -> None:
    for address in ("/v1/flags/payments", "/v1/flags"):
        response = empty_site.get(address)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
        assert response.get_json()["error"]["code"] == "store_unavailable"
    empty_site.follow()
    check(empty_site, "payments", 404)
    assert empty_site.get("/v1/flags").get_json() == {"flags": {}, "revision": 0, "stale": False}


def test_no_answer_is_kept_by_anybody_on_the_way(site: Site) -> None:
    for address in ("/v1/flags/everybody", "/v1/flags/nope", "/v1/status", "/nowhere"):
        headers = site.get(address).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_ten_thousand_flags_are_answered_within_a_second() -> None:
    text = FLAGS + "".join(
        f"\n  flag-{number}:\n    description: d\n    owner: o@example.com\n    enabled: true\n"
        for number in range(10_000)
    )
    site = Site.with_flags(text)
    started = time.perf_counter()
    assert len(site.get("/v1/flags?user_id=u-1").get_json()["flags"]) == 10_006
    assert time.perf_counter() - started < 1
