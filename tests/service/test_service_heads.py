"""Following only that something changed, and not what."""

from __future__ import annotations

from datetime import timedelta

from rollout.core.definitions import Definitions
from rollout.service.follower import Follower
from rollout.service.heads import Heads
from rollout.service.keys import KeyDesk
from rollout.service.snapshot import Snapshot
from tests.service.servicekit import Place, Wrapped, request

NO_WAIT = timedelta(0)


def test_each_change_is_followed_with_when_it_was_written_and_nothing_else() -> None:
    place, seen = Place(), list[Snapshot]()
    asked: list[str] = []
    watched = Wrapped(place.store, lambda name, call: (asked.append(name), call())[1])
    follower = Follower(Heads(watched), seen.append)
    follower.follow(NO_WAIT)
    for revision in (2, 3):
        place.now_ms += 5000
        place.operations.kill("payments" if revision == 2 else "switch", request())
        follower.follow(NO_WAIT)
    assert [snapshot.revision for snapshot in seen] == [1, 2, 3]
    assert [snapshot.written_at_ms for snapshot in seen] == [place.now_ms - 10_000, place.now_ms - 5000, place.now_ms]
    assert not any(snapshot.state.records or snapshot.members for snapshot in seen)
    assert all(snapshot.state.definitions == Definitions() for snapshot in seen)
    assert "blob" not in asked


def test_the_store_may_be_away_and_come_back() -> None:
    place, away = Place(), []

    def hindrance(name, call):
        if away:
            from rollout.core.errors import StoreUnavailable

            raise StoreUnavailable("away")
        return call()

    follower = Follower(Heads(Wrapped(place.store, hindrance)))
    assert follower.follow(NO_WAIT)
    away.append(True)
    place.operations.kill("payments", request())
    assert not follower.follow(NO_WAIT)
    assert (follower.current.revision, follower.stale) == (1, True)
    away.clear()
    assert follower.follow(NO_WAIT)
    assert (follower.current.revision, follower.stale) == (2, False)


def test_who_may_ask_is_followed_as_well() -> None:
    place = Place()
    follower = Follower(Heads(place.store))
    follower.follow(NO_WAIT)
    assert follower.current.state.keys == {}
    made = KeyDesk(place.store, place.operations).create("admin", "anna", request())
    follower.follow(NO_WAIT)
    assert list(follower.current.state.keys) == [made["keys"][0]["id"]]
