"""Outcomes go out in the background, in batches, until they are taken; nobody who reports one ever waits."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime

import pytest
from clientkit import Hosted, eventually
from werkzeug.wrappers import Request, Response

from rollout.client import Rollout
from rollout.client.reporting import BATCH, MOST_QUEUED


def test_an_outcome_arrives_as_it_was_reported(hosted: Hosted) -> None:
    hosted.client().outcome(
        "upi-transfer",
        ok=False,
        failure="technical",
        flag="payments",
        id="txn-1",
        user_id="u-1",
        on=True,
        at=datetime(2026, 1, 31, 18, 0, tzinfo=UTC),
        country="IN",
    )
    [outcome] = eventually(lambda: hosted.outcomes)
    assert outcome == {
        "flag": "payments",
        "metric": "upi-transfer",
        "ok": False,
        "class": "technical",
        "by": {"country": "IN"},
        "id": "txn-1",
        "user_id": "u-1",
        "at": "2026-01-31T18:00:00.000+00:00",
        "on": True,
    }


def test_the_service_takes_what_the_client_sends(hosted: Hosted) -> None:
    flags = hosted.client()
    flags.outcome("upi-transfer", flag="payments", ok=True, user_id="u-1", country="IN")
    flags.outcome("upi-transfer", flag="payments", ok=False, drill=True)
    eventually(lambda: flags.outcomes.sent == 2)
    assert flags.outcomes.refused == flags.outcomes.dropped == 0


def test_each_has_an_id_and_a_time_of_its_own(hosted: Hosted) -> None:
    flags = hosted.client()
    for _ in range(2):
        flags.outcome("x", flag="everybody", ok=True)
    eventually(lambda: len(hosted.outcomes) == 2)
    first, second = hosted.outcomes
    assert first["id"] != second["id"]
    assert abs(datetime.fromisoformat(first["at"]).timestamp() - time.time()) < 600


def test_whether_they_had_it_is_found_where_all_is_known_that_it_depends_on(hosted: Hosted) -> None:
    hosted.change(share="50%")
    flags = hosted.client()
    flags.ready()
    flags.outcome("x", flag="everybody", ok=True)
    flags.outcome("x", flag="payments", ok=True, user_id="u-9")  # it looks at the country too
    flags.outcome("x", flag="payments", ok=True, user_id="u-9", country="GB")
    flags.outcome("x", flag="payments", ok=True, user_id="u-9", country="GB", on=True)
    flags.outcome("x", flag="unknown", ok=True)
    eventually(lambda: len(hosted.outcomes) == 5)
    assert [outcome.get("on") for outcome in hosted.outcomes] == [True, None, False, True, None]


def test_what_the_service_refuses_is_counted_and_said_once(hosted: Hosted, caplog: pytest.LogCaptureFixture) -> None:
    flags = hosted.client()
    with caplog.at_level(logging.WARNING, "rollout.client"):
        for _ in range(3):
            flags.outcome("x", flag="unknown", ok=True)
        eventually(lambda: flags.outcomes.refused == 3)
        eventually(lambda: "no flag called 'unknown'" in caplog.text)
    assert caplog.text.count("no flag called") == 1


def test_outcomes_wait_for_a_service_that_is_away_and_none_is_lost(hosted: Hosted) -> None:
    flags = hosted.client()
    flags.ready()
    hosted.misbehave = lambda request: Response("full", 503, headers={"Retry-After": "0"})
    for number in range(BATCH + 10):
        flags.outcome("x", flag="everybody", ok=True, id=f"txn-{number}")
    eventually(lambda: any(request.path == "/v1/outcomes" for request in hosted.asked))
    hosted.misbehave = lambda _: None
    eventually(lambda: flags.outcomes.sent == BATCH + 10)
    assert {outcome["id"] for outcome in hosted.outcomes} == {f"txn-{number}" for number in range(BATCH + 10)}


def test_a_full_queue_drops_counts_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    with Rollout("http://127.0.0.1:9", poll=60) as flags, caplog.at_level(logging.ERROR, "rollout.client"):
        for _ in range(MOST_QUEUED + BATCH + 50):
            flags.outcome("x", flag="everybody", ok=True)
        assert 0 < flags.outcomes.dropped <= BATCH + 50
    assert caplog.text.count("outcomes are dropped") == 1


def test_what_cannot_be_sent_holds_up_nothing(hosted: Hosted) -> None:
    flags = hosted.client()
    flags.outcome("x", flag="everybody", ok=True, country=object())
    flags.outcome("x", flag="everybody", ok=True, at="yesterday")  # type: ignore[arg-type]
    flags.outcome("x", flag="everybody", ok=True, id="good")
    eventually(lambda: flags.outcomes.sent == 1)
    assert [outcome["id"] for outcome in hosted.outcomes] == ["good"]
    assert flags.outcomes.dropped == 1


def test_a_batch_that_no_service_will_ever_take_is_let_go(hosted: Hosted) -> None:
    flags = hosted.client()
    hosted.misbehave = lambda request: Response("{}", 400) if request.path == "/v1/outcomes" else None
    flags.outcome("x", flag="everybody", ok=True)
    eventually(lambda: flags.outcomes.refused == 1)
    hosted.misbehave = lambda _: None
    flags.outcome("x", flag="everybody", ok=True)
    eventually(lambda: flags.outcomes.sent == 1)


def test_what_waits_is_sent_when_the_client_is_closed(hosted: Hosted) -> None:
    flags = hosted.client()
    flags.ready()
    for number in range(7):
        flags.outcome("x", flag="everybody", ok=True, id=f"txn-{number}")
    flags.close()
    assert len(hosted.outcomes) == 7


def test_a_service_that_hangs_holds_up_the_end_for_a_moment_only(hosted: Hosted) -> None:
    flags = hosted.client()
    flags.ready()

    def hang(_: Request) -> None:
        eventually(lambda: closed, patience=120)

    closed = False
    hosted.misbehave = hang
    flags.outcome("x", flag="everybody", ok=True)
    flags.close()
    closed = True
