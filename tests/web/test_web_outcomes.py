"""`POST /v1/outcomes`: every batch is answered, item by item, and nothing that a caller sends is a surprise."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webkit import MOST_OUTCOMES, Site
from werkzeug.test import TestResponse

GUARDED = """\
version: 1
attributes:
  bank: { type: string, values: [SBI, ICICI] }
guards:
  failures: { metric: upi, max: 2%, counts: [technical], by: bank, action: exclude }
flags:
  payments:
    description: Send money
    owner: payments@example.com
    enabled: true
    rollout: { guards: [failures], stages: [1%, 100%] }
"""


@pytest.fixture
def site() -> Site:
    return Site.with_flags(GUARDED)


def outcome(number: int = 1, **more: Any) -> dict[str, Any]:
    return {"flag": "payments", "metric": "upi", "ok": True, "id": f"txn-{number}", **more}


def report(site: Site, body: Any, **options: Any) -> TestResponse:
    return site.post("/v1/outcomes", body, **options)


def counts(site: Site) -> dict[str, int]:
    site.outcomes.flush()
    minutes = site.store.outcome_counts("payments", 0, 10**9)
    return dict(sum(map(Counter, minutes.values()), Counter()))


@pytest.mark.parametrize("shape", [lambda batch: batch, lambda batch: {"outcomes": batch}])
def test_a_batch_is_taken_and_counted(site, shape):
    failed = outcome(2, ok=False, by={"bank": "SBI"}) | {"class": "technical"}
    answer = report(site, shape([outcome(), failed]))
    assert (answer.status_code, answer.get_json()) == (200, {"accepted": 2, "refused": [], "warnings": []})
    assert counts(site) == {
        "upi\x1fon\x1f\x1f": 1,
        "upi\x1fon\x1f\x1ftechnical": 1,
        "upi\x1fon\x1fbank=SBI\x1ftechnical": 1,
    }


def test_an_empty_batch_is_fine(site):
    assert report(site, []).get_json() == {"accepted": 0, "refused": [], "warnings": []}


def test_each_that_is_refused_is_named_with_what_would_be_right(site):
    late = (datetime.now(UTC) - timedelta(minutes=20)).isoformat()
    early = (datetime.now(UTC) + timedelta(minutes=20)).isoformat()
    batch = [outcome(1), outcome(2, flag="nope"), outcome(3, at=late), outcome(4, at=early), outcome(5, ok=1), 7]
    answer = report(site, batch).get_json()
    assert answer["accepted"] == 1
    assert [(item["index"], item["code"]) for item in answer["refused"]] == [
        (1, "unknown_flag"),
        (2, "too_late"),
        (3, "from_the_future"),
        (4, "invalid"),
        (5, "invalid"),
    ]
    assert all(item["message"] and item["hint"] for item in answer["refused"])
    assert sum(counts(site).values()) == 1


def test_warnings_name_the_first_item_and_how_many(site):
    batch = [outcome(1), *(outcome(n, ok=False) | {"class": "wrong-pin"} for n in range(2, 5))]
    (warning,) = report(site, batch).get_json()["warnings"]
    assert (warning["index"], warning["count"], warning["code"]) == (1, 3, "uncounted_class")
    assert "wrong-pin" in warning["message"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b"null", "invalid_json"),
        (b"7", "invalid_json"),
        (b"{}", "invalid_json"),
        (b'{"outcomes": {}}', "invalid_json"),
        (b'{"outcomes": [], "more": 1}', "invalid_json"),
        (b'[{"id": "1", "id": "2"}]', "invalid_json"),
        (b'[{"id": "\xff"}]', "invalid_json"),
        (b'[{"id": "\\ud800"}]', "invalid_json"),
        (b"[NaN]", "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (json.dumps([{}] * 1001).encode(), "invalid"),
    ],
)
def test_a_body_of_another_shape_is_refused_whole(site, body, code):
    answer = site.http.post("/v1/outcomes", data=body, content_type="application/json")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, code)
    assert answer.get_json()["error"]["message"]
    assert site.outcomes.buffered == 0


def test_a_thousand_fit_in_a_batch(site):
    assert report(site, [outcome(n) for n in range(1000)]).get_json()["accepted"] == 1000


def test_a_body_that_is_too_large_or_of_another_type_is_refused(site):
    answer = site.http.post("/v1/outcomes", data=b" " * (1024 * 1024 + 1), content_type="application/json")
    assert (answer.status_code, answer.get_json()["error"]["hint"]) == (413, "send fewer outcomes at a time")
    assert site.http.post("/v1/outcomes", data=b"[]", content_type="text/plain").status_code == 415
    assert site.get("/v1/outcomes").status_code == 405


def test_a_page_of_somebody_else_cannot_report(site):
    answer = report(site, [outcome()], headers={"Host": "evil.example"})
    assert (answer.status_code, site.outcomes.buffered) == (403, 0)
    assert report(site, [outcome()], headers={"Host": "flags.example.com"}).status_code == 200


def test_while_the_store_is_away_outcomes_are_taken_up_to_the_bound_and_then_refused_whole(site):
    site.lose_store()
    taken = 0
    while (answer := report(site, [outcome(n) for n in range(taken, taken + 900)])).status_code == 200:
        taken += 900
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (503, "store_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert MOST_OUTCOMES - 900 < taken <= MOST_OUTCOMES
    assert f"rollout_outcomes_buffered {float(taken)}" in site.get("/metrics").text
    site.store.away = False
    assert counts(site)["upi\x1fon\x1f\x1f"] == taken
    assert report(site, [outcome(n) for n in range(taken, taken + 900)]).get_json()["accepted"] == 900


def test_before_any_flags_were_seen_nothing_is_taken():
    site = Site()
    site.lose_store()
    assert report(site, [outcome()]).status_code == 503


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = ("flag", "metric", "ok", "class", "by", "id", "user_id", "at", "on", "drill")


@settings(max_examples=200, deadline=None)
@given(st.lists(JSON | st.fixed_dictionaries({}, optional=dict.fromkeys(MEMBERS, JSON)), max_size=5))
def test_whatever_is_sent_is_answered(batch):
    site = Site.with_flags(GUARDED)
    good = [{**outcome(), **item} if isinstance(item, dict) else item for item in batch]
    for body in (batch, good):
        answer = site.http.post(
            "/v1/outcomes", data=json.dumps(body, ensure_ascii=True), content_type="application/json"
        )
        if answer.status_code == 400:  # half a character cannot be sent
            assert answer.get_json()["error"]["code"] == "invalid_json"
        else:
            said = answer.get_json()
            assert answer.status_code == 200
            assert said["accepted"] + len(said["refused"]) == len(body)
    site.outcomes.flush()
