"""A server that falls silent is told of, by the status and by the metrics."""

from __future__ import annotations

from datetime import timedelta

from rollout.service.follower import Follower
from rollout.service.reports import status_report
from rollout.service.roll_call import RollCall
from rollout.stores.memory import MemoryFlagStore
from tests.service.servicekit import Place


def test_a_server_that_was_not_heard_for_ten_seconds_is_marked() -> None:
    place = Place()
    store: MemoryFlagStore = place.store
    store.beat("web-1", b'{"kind":"worker","revision":1}', timedelta(minutes=2))
    place.now_ms += 9_000
    store.beat("web-2", b'{"kind":"worker","revision":1}', timedelta(minutes=2))
    check_unconfirmed(place, [])
    place.now_ms += 2_000
    check_unconfirmed(place, ["web-1"])
    place.now_ms += 130_000
    check_unconfirmed(place, [])  # forgotten


def check_unconfirmed(place: Place, expected: list[str]) -> None:
    follower, roll = Follower(place.store), RollCall(place.store)
    follower.read()
    roll.call()
    servers = status_report(follower.current, place.store.servers())["servers"]
    assert [server["id"] for server in servers if not server["confirmed"]] == expected
    assert roll.unconfirmed == len(expected)
