"""Taking outcomes in: none is dropped in silence, doubled, or refused with half of its batch, whatever the store does
meanwhile."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from itertools import chain, cycle
from typing import Any

import pytest
from servicekit import FLAGS, Place, Wrapped, flag

from rollout.core.errors import StoreUnavailable
from rollout.core.outcomes import fingerprint
from rollout.service.follower import Follower
from rollout.service.outcomes import BATCH, Intake
from rollout.telemetry import Counters


class World:
    """A worker's intake on a store whose `count` goes the way that `hindrance` says."""

    def __init__(self, most: int = 100_000) -> None:
        self.place = Place()
        self.hindrance: Callable[[Callable[[], int]], int] = lambda call: call()
        self.counters = Counters()
        self.store = Wrapped(self.place.store, self._through)
        self.follower = Follower(self.store)
        self.follower.follow(timedelta(0))
        self.intake = Intake(self.store, self.follower, self.counters, most=most)

    def _through(self, name: str, call: Callable[[], Any]) -> Any:
        return self.hindrance(call) if name == "count" else call()

    def total(self, flag: str = "payments") -> int:
        minutes = self.place.store.outcome_counts(flag, 0, 10**9)
        return sum(sum(counts.values()) for counts in minutes.values())

    def metric(self, name: str) -> int:
        found = re.search(rf"^rollout_outcomes_{name}_total (\S+)$", self.counters.scrape()[0].decode(), re.M)
        return int(float(found[1])) if found else 0


def outcomes(first: int, last: int, **more: Any) -> list[dict[str, Any]]:
    return [{"flag": "payments", "metric": "upi", "ok": True, "id": f"txn-{n}", **more} for n in range(first, last)]


def away(_: Callable[[], int]) -> int:
    raise StoreUnavailable("connection refused")


def losing_the_reply(call: Callable[[], int]) -> int:
    call()
    raise StoreUnavailable("the connection broke")


def test_what_was_taken_is_counted_at_the_next_flush_and_not_before():
    world = World()
    assert world.intake.take(outcomes(0, 30)).accepted == 30
    assert (world.intake.buffered, world.total()) == (30, 0)
    world.intake.flush()
    assert (world.intake.buffered, world.total()) == (0, 30)
    world.intake.flush()
    assert world.total() == 30


def test_one_that_is_refused_does_not_keep_others_from_being_counted():
    world = World()
    batch: list[object] = [
        *outcomes(0, 2),
        None,
        *outcomes(2, 3, ok="yes"),
        *outcomes(3, 5),
        *outcomes(5, 6, flag="no"),
    ]
    taken = world.intake.take(batch)
    assert taken.accepted == 4
    assert [(refused.index, refused.error.code) for refused in taken.refused] == [
        (2, "invalid"),
        (3, "invalid"),
        (6, "unknown_flag"),
    ]
    world.intake.flush()
    assert world.total() == 4


def test_a_caution_is_told_once_with_how_many_it_is_about():
    taken = World().intake.take([*outcomes(0, 1, flag="nope"), *outcomes(1, 9), *outcomes(9, 12, metric="other")])
    noticed = [(noticed.index, noticed.count, noticed.caution.code) for noticed in taken.noticed.values()]
    assert noticed == [(1, 8, "unwatched_metric"), (9, 3, "unwatched_metric")]


def test_the_store_is_given_a_bounded_number_at_a_time_in_order():
    world = World()
    given: list[list[int]] = []
    store = world.place.store

    class Noting:
        def count(self, items):
            given.append([item.fingerprint for item in items])
            return store.count(items)

    intake = Intake(Noting(), world.follower, world.counters)
    for first in range(0, 1200, 100):
        intake.take(outcomes(first, first + 100))
    intake.flush()
    assert [len(part) for part in given] == [BATCH, BATCH, 200]
    assert list(chain.from_iterable(given)) == [fingerprint("payments", "upi", f"txn-{n}") for n in range(1200)]


def test_what_the_store_does_not_take_is_kept_and_counted_when_it_is_back():
    world = World()
    world.hindrance = away
    for first in range(0, 1000, 100):
        world.intake.take(outcomes(first, first + 100))
        with pytest.raises(StoreUnavailable):
            world.intake.flush()
    assert (world.intake.buffered, world.total()) == (1000, 0)
    world.hindrance = lambda call: call()
    world.intake.flush()
    assert (world.intake.buffered, world.total()) == (0, 1000)


def test_a_batch_whose_reply_was_lost_is_sent_again_and_counted_once():
    world = World()
    world.intake.take(outcomes(0, 700))
    world.hindrance = losing_the_reply
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            world.intake.flush()
        assert world.intake.buffered == 700
    world.hindrance = lambda call: call()
    world.intake.flush()
    assert (world.intake.buffered, world.total()) == (0, 700)


def test_a_batch_that_does_not_fit_is_refused_whole():
    world = World(most=1000)
    world.hindrance = away
    world.intake.take(outcomes(0, 950))
    with pytest.raises(StoreUnavailable, match="950 outcomes wait for the store, and 51 more") as refusal:
        world.intake.take(outcomes(950, 1001))
    assert refusal.value.hint
    assert world.intake.buffered == 950
    assert world.intake.take(outcomes(1001, 1051)).accepted == 50
    world.hindrance = lambda call: call()
    world.intake.flush()
    assert world.total() == 1000
    assert world.intake.take(outcomes(950, 1001)).accepted == 51


def test_repeats_are_counted_as_such():
    world = World()
    world.intake.take([*outcomes(0, 10), *outcomes(5, 10), *outcomes(0, 1, flag="nope")])
    world.intake.flush()
    world.intake.take(outcomes(8, 12))
    world.intake.flush()
    assert world.total() == 12
    assert (world.metric("accepted"), world.metric("refused"), world.metric("repeated")) == (19, 1, 7)


def test_outcomes_are_read_by_the_definitions_in_force():
    world = World()
    assert world.intake.take(outcomes(0, 1, flag="newest")).refused
    world.place.load(*FLAGS, flag("newest"))
    world.follower.follow(timedelta(0))
    assert world.intake.take(outcomes(0, 1, flag="newest")).accepted == 1


def test_a_server_that_never_saw_a_flag_takes_nothing():
    def all_away(name: str, call: Callable[[], Any]) -> Any:
        raise StoreUnavailable("connection refused")

    store = Wrapped(Place().store, all_away)
    follower = Follower(store)
    follower.follow(timedelta(0))
    with pytest.raises(StoreUnavailable, match="no flags yet"):
        Intake(store, follower, Counters()).take(outcomes(0, 1))


def test_taking_goes_on_while_others_hand_over_to_a_store_that_comes_and_goes():
    world = World()
    ways = cycle([lambda call: call(), away, losing_the_reply])

    def some_way(call: Callable[[], int]) -> int:
        return next(ways)(call)

    world.hindrance = some_way
    done = threading.Event()

    def hand_over() -> None:
        while not done.is_set() or world.intake.buffered:
            try:
                world.intake.flush()
            except StoreUnavailable:
                continue

    threads = [threading.Thread(target=hand_over) for _ in range(2)]
    for thread in threads:
        thread.start()
    for first in range(0, 20_000, 100):
        assert world.intake.take(outcomes(first, first + 100)).accepted == 100
    done.set()
    for thread in threads:
        thread.join(60)
    assert (world.intake.buffered, world.total()) == (0, 20_000)
