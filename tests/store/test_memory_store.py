"""What the store in memory adds to the contract: a clock that the caller holds."""

from __future__ import annotations

from datetime import timedelta

from storekit import commit

from rollout.service.ports import Counted
from rollout.stores.memory import MemoryFlagStore

HOUR_MS = 3_600_000


class HandHeldClock:
    def __init__(self) -> None:
        self.now_ms = 0

    def __call__(self) -> int:
        return self.now_ms


def test_time_is_what_the_given_clock_says():
    clock = HandHeldClock()
    store = MemoryFlagStore(clock)
    store.beat("web-1", b"", timedelta(hours=2))
    clock.now_ms += 1 * HOUR_MS
    assert (store.read().now_ms, list(store.servers())) == (HOUR_MS, ["web-1"])
    clock.now_ms += 1 * HOUR_MS
    assert store.servers() == {}


def test_a_request_is_remembered_for_a_day_of_the_given_clock():
    clock = HandHeldClock()
    store = MemoryFlagStore(clock)
    store.commit(commit(0, "daily"))
    clock.now_ms += 23 * HOUR_MS
    assert store.commit(commit(1, "daily")).repeated
    clock.now_ms += 1 * HOUR_MS
    assert store.commit(commit(1, "daily")).revision == 2


def test_time_without_a_tick_for_longer_than_the_gap_does_not_count():
    clock = HandHeldClock()
    store = MemoryFlagStore(clock)
    told = []
    for passes_ms in (5_000, 1_000, 60_000, 60_001, 1_000, -30_000, 1_000):
        clock.now_ms += passes_ms
        told.append(store.tick().ticked_ms)
    assert told == [0, 1_000, 61_000, 61_000, 62_000, 62_000, 63_000]


def test_an_intent_is_remembered_for_an_hour_of_the_given_clock_and_not_for_ever():
    clock = HandHeldClock()
    store = MemoryFlagStore(clock)
    outcome = [Counted("payments", 7, ("upi",))]
    made = []
    for passes_ms in (HOUR_MS // 3, HOUR_MS, HOUR_MS // 2, HOUR_MS // 4):
        clock.now_ms += passes_ms
        made.append(store.count(outcome))
    assert made == [1, 0, 1, 0]
    assert store.outcome_counts("payments", 0, 200) == {20: {"upi": 1}, 110: {"upi": 1}}


def test_counts_are_kept_for_three_hours_of_the_given_clock():
    clock = HandHeldClock()
    store = MemoryFlagStore(clock)
    for n in range(5):
        clock.now_ms = n * HOUR_MS
        store.count([Counted("payments", n, ("upi",))])
    assert list(store.outcome_counts("payments", 0, 1000)) == [60, 120, 180, 240]


def test_what_was_read_does_not_change_afterwards():
    store = MemoryFlagStore()
    store.commit(commit(0, flags={"a": b"1"}))
    before = store.read()
    store.commit(commit(1, flags={"a": b"2", "b": b"1"}))
    assert before.flags == {"a": b"1"}
