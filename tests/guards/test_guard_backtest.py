"""Histories replayed: false alarms, and whether failures come in bursts."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise

import pytest
from guardkit import against_control, at_least, at_most, minute

from rollout.core.backtest import Dispersion, Recorded, backtest
from rollout.core.bets import Minute
from rollout.core.guards import Guard

START = datetime(2026, 3, 1, tzinfo=UTC)


def at(number: int) -> datetime:
    return START + timedelta(minutes=number)


def history(value: str | None, minutes: list[Minute], first: int = 0) -> list[Recorded]:
    return [Recorded(at(first + number), value, counts) for number, counts in enumerate(minutes)]


def drawn(seed: int, shares: list[float], total: int = 20) -> list[Minute]:
    dice = random.Random(seed)
    return [minute(sum(dice.random() < share for _ in range(total)), total) for share in shares]


def test_a_healthy_history_rings_no_alarm() -> None:
    result = backtest(at_most("2%"), history(None, drawn(1, [0.015] * 2000)))
    (group,) = result.groups
    assert (group.alarms, group.minutes, group.on.total) == ((), 2000, 40_000)
    assert 0 <= group.highest_percent < 100
    assert (result.began_at, result.ended_at) == (at(0), at(1999))


def test_each_alarm_is_counted_and_evidence_begins_anew_after_it() -> None:
    trouble = [minute(0, 20)] * 100 + [minute(20, 20)] * 10
    result = backtest(at_most("2%"), history(None, trouble * 2))
    hits = [hit for group in result.groups for hit in group.alarms]
    assert hits[0] == at(100)
    assert any(hit >= at(210) for hit in hits)
    assert all(later - earlier >= timedelta(minutes=5) for earlier, later in pairwise(hits)), (
        "min_samples count anew as well"
    )
    assert result.alarms == len(hits)
    assert result.groups[0].highest_percent == 100


def test_each_value_is_judged_on_its_own_with_its_part_of_what_may_go_wrong() -> None:
    guard = at_most("2%", by="bank")
    records = history("SBI", [minute(10, 20)] * 10, first=5) + history("ICICI", [minute(0, 20)] * 15)
    result = backtest(guard, records, declared=["SBI", "ICICI", "HDFC"])
    assert [group.value for group in result.groups] == ["ICICI", "SBI"], "in the order in which they appeared"
    assert [bool(group.alarms) for group in result.groups] == [False, True]
    assert {group.alpha for group in result.groups} == {Fraction(1, 300)}
    assert [group.alpha for group in backtest(guard, records).groups] == [Fraction(1, 200), Fraction(1, 600)]


def test_a_guard_without_by_sees_all_values_together() -> None:
    records = history("SBI", [minute(1, 20)] * 10) + history("ICICI", [minute(0, 20)] * 10)
    (group,) = backtest(at_most("2%"), reversed(records)).groups
    assert (group.value, group.minutes, group.on.failures, group.on.total) == (None, 10, 10, 400)


def test_minutes_that_are_missing_are_silence_for_a_rate() -> None:
    guard = at_least("5", min_samples=100)
    records = history(None, [minute(0, 6)] * 60) + history(None, [minute(0, 6)] * 60, first=90)
    (group,) = backtest(guard, records).groups
    assert at(60) < group.alarms[0] < at(70)
    assert backtest(at_most("2%"), records).alarms == 0


@pytest.mark.parametrize(
    "guard", [at_most("5%"), at_least("10"), against_control("1.25")], ids=["max", "min", "control"]
)
def test_dispersion_is_near_one_where_outcomes_are_independent(guard: Guard) -> None:
    dice = random.Random(5)
    failed = [sum(dice.random() < 0.05 for _ in range(40)) for _ in range(3000)]
    pairs = list(zip(failed[::2], failed[1::2], strict=True))
    poisson = [sum(dice.random() < 0.02 for _ in range(1000)) for _ in range(1500)]
    minutes = [minute(a, 40, b, 40) for a, b in pairs] if guard.min_rate is None else [minute(0, k) for k in poisson]
    assert backtest(guard, history(None, minutes)).dispersion.ratio == pytest.approx(1, abs=0.12)


def test_bursts_are_seen_and_are_false_alarms() -> None:
    """Every 50 minutes a minute in which a third fails: 1 % in the mean, and yet not healthy for a limit of 2 %."""
    shares = [0.3 if number % 50 == 49 else 0.004 for number in range(3000)]
    bursts = backtest(at_most("2%", min_samples=0), history(None, drawn(7, shares)))
    assert bursts.dispersion.ratio is not None
    assert bursts.dispersion.ratio > 3
    assert bursts.alarms > 0


def test_an_outage_on_both_sides_is_no_burst_against_control() -> None:
    dice = random.Random(9)
    shares = [0.5 if number % 40 > 34 else 0.02 for number in range(2000)]
    sides = [[sum(dice.random() < share for _ in range(30)) for share in shares] for _ in range(2)]
    records = history(None, [minute(a, 30, b, 30) for a, b in zip(*sides, strict=True)])
    compared = backtest(against_control("1.25"), records)
    assert compared.dispersion.ratio == pytest.approx(1, abs=0.15)
    assert compared.alarms == 0
    assert (backtest(at_most("2%"), records).dispersion.ratio or 0) > 5


def test_a_history_in_which_nothing_failed_has_no_dispersion() -> None:
    for guard in (at_most("2%"), against_control("2")):
        assert backtest(guard, history(None, [minute(0, 20, 0, 20)] * 10)).dispersion == Dispersion()
    assert Dispersion().ratio is None
