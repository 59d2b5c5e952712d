"""Whom checks served is counted by the day: each person once, none by name, and in bounds whatever happens."""

from __future__ import annotations

import hmac
import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from servicekit import FLAGS, Place, Wrapped, flag, request

from rollout.core.audit import read_line
from rollout.core.errors import StoreUnavailable
from rollout.core.shares import Share
from rollout.service import exposures
from rollout.service.exposed_days import DayCount, counted_days, day_count, note_days
from rollout.service.exposures import HASH_BYTES, Exposures, keyed_hashing
from rollout.service.follower import Follower
from rollout.telemetry import Counters
from rollout.web.evaluate import Checker

KEY, TODAY, DAY_MS = b"k" * 32, "2026-11-23", 86_400_000


class World:
    """A worker on a store whose `expose` goes the way that `hindrance` says, with everybody in India in `payments`."""

    def __init__(self, key: bytes = KEY, place: Place | None = None) -> None:
        self.place = place or Place()
        self.place.operations.set_share("payments", Share.parse("100%"), request())
        self.hindrance: Callable[[Callable[[], Any]], Any] = lambda call: call()
        self.store = Wrapped(self.place.store, self._through)
        self.follower = Follower(self.place.store)
        self.follower.follow(timedelta(0))
        self.exposures = Exposures(self.store, self.follower, key)
        self.exposures.flush()  # it knows the flags now
        self.checker = Checker(self.follower, Counters(), self.exposures.served, self.exposures.served_one)

    def _through(self, name: str, call: Callable[[], Any]) -> Any:
        return self.hindrance(call) if name == "expose" else call()

    def check(self, *subjects: str, flag: str = "payments", country: str = "IN") -> None:
        for subject in subjects:
            self.checker.one(flag, {"user_id": subject, "country": country})

    def counted(self, day: str = TODAY) -> dict[str, int]:
        return dict(day_count(self.place.store.exposed(day)).people)


@pytest.fixture
def world() -> World:
    return World()


def test_whoever_is_served_the_on_side_counts_once_on_a_day(world: World) -> None:
    world.check("u-1", "u-2", "u-1")
    world.exposures.flush()
    world.check("u-2", "u-3")
    world.exposures.flush()
    assert world.counted() == {"payments": 3}


def test_who_is_served_the_off_side_or_says_no_name_is_not_counted(world: World) -> None:
    world.check("u-1", country="NL")
    world.checker.one("payments", {"country": "IN"})
    world.checker.one("plain", {})
    world.exposures.flush()
    assert world.counted() == {}


def test_asking_for_all_flags_counts_each_that_is_on_but_those_that_are_on_for_everybody(world: World) -> None:
    world.checker.all({"user_id": "u-1", "country": "IN"})
    world.exposures.flush()
    assert world.counted() == {"payments": 1, "switch": 1}


def test_a_flag_that_comes_later_is_counted_and_one_that_goes_is_not(world: World) -> None:
    world.place.load(*FLAGS, flag("later", audience="india"))
    world.follower.follow(timedelta(0))
    world.exposures.flush()
    world.check("u-1", flag="later")
    world.exposures.flush()
    assert world.counted() == {"later": 1}


def test_the_store_is_given_keyed_hashes_and_nothing_else(world: World) -> None:
    given: list[Any] = []

    class Listening:
        def expose(self, day: str, people: Any) -> None:
            given.append((day, people))

        def __getattr__(self, name: str) -> Any:
            return getattr(world.place.store, name)

    world.exposures.store = Listening()  # type: ignore[assignment]
    world.check("u-1")
    world.exposures.flush()
    ((day, people),) = given
    ((name, hashes),) = people.items()
    assert (day, hashes) == (TODAY, [hmac.digest(KEY, b"u-1", "sha256")[:HASH_BYTES]])
    assert name.endswith("/payments")
    assert KEY.hex()[:12] not in name


@pytest.mark.parametrize("key", [b"", b"k", b"k" * 32, b"k" * 64])
@pytest.mark.parametrize("subject", ["", "u-1", "ü" * 500])
def test_the_keyed_hash_is_hmac(key: bytes, subject: str) -> None:
    assert keyed_hashing(key)(subject) == hmac.digest(key, subject.encode(), "sha256")[:HASH_BYTES]


def test_workers_and_servers_with_the_same_key_count_a_person_once_and_with_another_key_say_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = World()
    second, stranger = World(place=first.place), World(b"other" * 6, first.place)
    for each in (first, second, stranger):
        each.check("u-1", "u-2")
    for each in (first, second):
        each.exposures.flush()
    assert day_count(first.place.store.exposed(TODAY)) == DayCount({"payments": 2}, 1)
    stranger.exposures.flush()
    assert day_count(first.place.store.exposed(TODAY)) == DayCount({"payments": 4}, 2)
    first.place.now_ms += DAY_MS
    end_day(first)
    assert noted(first)[-1]["after"] == {"day": TODAY, "people": {"payments": 4}, "keys": 2}
    assert "give all servers the same subjects.key" in caplog.text


def test_while_the_store_is_away_people_wait_and_are_counted_then(world: World) -> None:
    def away(_: Callable[[], Any]) -> Any:
        raise StoreUnavailable("away")

    world.hindrance = away
    for subject in ("u-1", "u-2", "u-2"):
        world.check(subject)
        with pytest.raises(StoreUnavailable):
            world.exposures.flush()
    assert world.counted() == {}
    world.hindrance = lambda call: call()
    world.exposures.flush()
    assert world.counted() == {"payments": 2}


def test_what_waits_is_bounded_and_the_log_says_once_that_some_are_not_counted(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(exposures, "MOST_KEPT", 10)
    monkeypatch.setattr(exposures, "MOST_AT_ONCE", 8)
    world.hindrance = lambda _: (_ for _ in ()).throw(StoreUnavailable("away"))
    with caplog.at_level(logging.WARNING):
        for first in range(0, 60, 20):
            world.check(*(f"u-{number}" for number in range(first, first + 20)))
            with pytest.raises(StoreUnavailable):
                world.exposures.flush()
    assert [record.message for record in caplog.records] == [
        "more people are served than can be counted today: exposures will be too low"
    ]
    world.hindrance = lambda call: call()
    world.exposures.flush()
    assert world.counted() == {"payments": 10}


def test_more_than_one_round_hands_over_comes_with_the_next_and_each_flag_has_its_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exposures, "MOST_HANDED_OVER", 3)
    world.check(*(f"u-{number}" for number in range(8)))
    world.check("u-1", "u-2", flag="switch")
    counts = []
    for _ in range(5):
        world.exposures.flush()
        counts.append(world.counted())
    assert [sum(count.values()) for count in counts] == [3, 6, 9, 10, 10]
    assert counts[1] == {"payments": 4, "switch": 2}
    assert counts[-1] == {"payments": 8, "switch": 2}


def test_the_next_day_everybody_counts_anew(world: World) -> None:
    world.check("u-1", "u-2")
    world.exposures.flush()
    world.place.now_ms += DAY_MS
    world.check("u-1")
    world.exposures.flush()
    assert (world.counted(), world.counted("2026-11-24")) == ({"payments": 2}, {"payments": 1})


def test_people_who_are_served_while_others_are_handed_over_are_not_lost(world: World) -> None:
    done = threading.Event()

    def hand_over() -> None:
        while not done.is_set():
            world.exposures.flush()

    thread = threading.Thread(target=hand_over)
    thread.start()
    world.check(*(f"u-{number}" for number in range(5000)))
    done.set()
    thread.join()
    world.exposures.flush()
    assert world.counted() == {"payments": 5000}


def noted(world: World) -> list[dict[str, Any]]:
    return [read_line(line) for line in world.place.store.notes(limit=10**6)]


def end_day(world: World, server: str = "a:8080") -> list[str]:
    return note_days(world.place.store, world.place.operations, server)


def test_a_day_that_is_over_becomes_one_entry_and_is_forgotten(world: World) -> None:
    world.check("u-1", "u-2")
    world.check("u-1", flag="switch")
    world.exposures.flush()
    assert end_day(world) == []  # it is not over
    world.place.now_ms += DAY_MS
    assert [end_day(world), end_day(world, "b:8080")] == [[TODAY], []]
    (entry,) = noted(world)
    assert (entry["action"], entry["actor"]["kind"], entry["flag"]) == ("exposed", "controller", "")
    assert entry["after"] == {"day": TODAY, "people": {"payments": 2, "switch": 1}, "keys": 1}
    assert world.counted() == {}


def test_a_service_that_stood_still_for_days_notes_the_day_before_it_stopped(world: World) -> None:
    world.check("u-1")
    world.exposures.flush()
    world.place.now_ms += 7 * DAY_MS
    assert end_day(world) == [TODAY]


def test_just_after_midnight_servers_may_still_be_counting(world: World) -> None:
    world.check("u-1")
    world.exposures.flush()
    midnight = (world.place.now_ms // DAY_MS + 1) * DAY_MS
    world.place.now_ms = midnight + 9 * 60_000
    assert end_day(world) == []
    world.place.now_ms = midnight + 11 * 60_000
    assert end_day(world) == [TODAY]


def test_a_server_that_dies_between_writing_a_day_and_forgetting_it_doubles_nothing(world: World) -> None:
    world.check("u-1", "u-2")
    world.exposures.flush()
    world.place.now_ms += DAY_MS

    def dying(name: str, call: Callable[[], Any]) -> Any:
        if name == "forget_exposed":
            raise StoreUnavailable("it died")
        return call()

    with pytest.raises(StoreUnavailable):
        note_days(Wrapped(world.place.store, dying), world.place.operations, "a")  # type: ignore[arg-type]
    assert end_day(world, "b") == []  # the other one may be alive
    world.place.now_ms += 61_000
    assert end_day(world, "b") == [TODAY]
    assert counted_days(noted(world), [TODAY]) == {TODAY: DayCount({"payments": 2}, 1)}


def test_entries_say_the_counts_of_the_days_that_are_asked_for() -> None:
    def entry(day: str, people: dict[str, int], keys: int = 1, action: str = "exposed") -> dict[str, Any]:
        return {"action": action, "after": {"day": day, "people": people, "keys": keys}}

    entries = [
        entry("2018-02-12", {"payments": 9}),
        entry("2018-02-13", {"payments": 1200, "wallet": 3}),
        entry("2018-02-13", {"payments": 2}, 2),  # handed over too late
        entry("2018-02-14", {"payments": 5}, action="refused"),
    ]
    assert counted_days(entries, ["2018-02-13", "2018-02-14"]) == {
        "2018-02-13": DayCount({"payments": 1200, "wallet": 3}, 2)
    }
