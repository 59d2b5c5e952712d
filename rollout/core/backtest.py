"""A guard on a history that is known to have been healthy: how often it would have stopped it, and whether failures
come as evenly as its bound assumes. Where they come in bursts (over-dispersion), a guard is wrong more often than its
confidence says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from rollout.core.bets import NO_OUTCOMES, Minute, Tally
from rollout.core.evidence import NO_EVIDENCE, next_evidence
from rollout.core.guards import Guard
from rollout.core.judging import alpha_of_group, judge

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was counted in the minute that begins `at`, of one value."""

    at: datetime
    value: str | None
    counts: Minute


@dataclass(frozen=True, slots=True)
class Dispersion:
    """Pearson's chi-square, and its degrees of freedom. Their ratio is near 1 where outcomes are independent of each
    other."""

    chi_square: float = 0.0
    freedom: int = 0

    @property
    def ratio(self) -> float | None:
        return self.chi_square / self.freedom if self.freedom > 0 else None

    def __add__(self, other: Dispersion) -> Dispersion:
        return Dispersion(self.chi_square + other.chi_square, self.freedom + other.freedom)


@dataclass(frozen=True, slots=True)
class GroupTest:
    """One group's history. `alarms`: when it would have been stopped, with evidence begun anew after each."""

    value: str | None
    alpha: Fraction
    minutes: int  # that anything was recorded in
    on: Tally
    control: Tally
    alarms: tuple[datetime, ...]
    highest_percent: int  # that the evidence ever reached of what would have stopped it
    dispersion: Dispersion


@dataclass(frozen=True, slots=True)
class Backtest:
    began_at: datetime
    ended_at: datetime  # of the last minute
    groups: tuple[GroupTest, ...]

    @property
    def dispersion(self) -> Dispersion:
        return sum((group.dispersion for group in self.groups), Dispersion())

    @property
    def alarms(self) -> int:
        return sum(len(group.alarms) for group in self.groups)


def backtest(guard: Guard, history: Iterable[Recorded], declared: Sequence[str] = ()) -> Backtest:
    """`history` in any order, and not empty. Values are put together for a guard without `by`; `declared` are those of
    the attribute."""
    groups = _grouped(guard, history)
    began_at = min(min(counts) for counts in groups.values())
    ended_at = max(max(counts) for counts in groups.values())
    appeared = sorted(groups, key=lambda value: min(groups[value]))
    tests = []
    for value in appeared:
        alpha = alpha_of_group(guard, value, declared, [one for one in appeared if one is not None])
        tests.append(_tested(guard, value, alpha, groups[value], ended_at))
    return Backtest(began_at, ended_at, tuple(tests))


def _grouped(guard: Guard, history: Iterable[Recorded]) -> dict[str | None, dict[datetime, Minute]]:
    groups: dict[str | None, dict[datetime, Minute]] = {}
    for one in history:
        counts = groups.setdefault(one.value if guard.by else None, {})
        before = counts.get(one.at, Minute())
        counts[one.at] = Minute(before.on + one.counts.on, before.control + one.counts.control)
    return groups


def _tested(
    guard: Guard, value: str | None, alpha: Fraction, counts: Mapping[datetime, Minute], ended_at: datetime
) -> GroupTest:
    alarms, highest = _replayed(guard, alpha, _in_order(guard, counts, ended_at))
    return GroupTest(
        value=value,
        alpha=alpha,
        minutes=len(counts),
        on=sum((one.on for one in counts.values()), NO_OUTCOMES),
        control=sum((one.control for one in counts.values()), NO_OUTCOMES),
        alarms=alarms,
        highest_percent=highest,
        dispersion=_dispersion(guard, [one for _, one in _in_order(guard, counts, ended_at)]),
    )


def _in_order(guard: Guard, counts: Mapping[datetime, Minute], ended_at: datetime) -> Iterator[tuple[datetime, Minute]]:
    """Minutes as they came; for `min` also those in which nothing was recorded, which are its evidence."""
    if guard.min_rate is None:
        yield from sorted(counts.items())
        return
    at = min(counts)
    while at <= ended_at:
        yield at, counts.get(at, Minute())
        at += MINUTE


def _replayed(
    guard: Guard, alpha: Fraction, minutes: Iterable[tuple[datetime, Minute]]
) -> tuple[tuple[datetime, ...], int]:
    evidence, alarms, highest = NO_EVIDENCE, [], 0
    for at, counts in minutes:
        evidence = next_evidence(guard, evidence, counts)
        judgement = judge(guard, evidence, alpha)
        highest = max(highest, judgement.evidence_percent)
        if judgement.breached:
            alarms.append(at)
            evidence = NO_EVIDENCE
    return tuple(alarms), highest


def _dispersion(guard: Guard, minutes: Sequence[Minute]) -> Dispersion:
    if guard.min_rate is not None:
        return _of_counts([one.on.successes for one in minutes])
    if guard.against is not None:
        return sum((_of_table(one) for one in minutes), Dispersion())
    return _of_shares([one.on for one in minutes if one.on.total])


def _of_shares(tallies: Sequence[Tally]) -> Dispersion:
    """Against one share for all minutes, the group's own."""
    whole = sum(tallies, NO_OUTCOMES)
    if not whole.failures or not whole.successes:
        return Dispersion()
    share = whole.failures / whole.total
    squares = ((one.failures - one.total * share) ** 2 / (one.total * share * (1 - share)) for one in tallies)
    return Dispersion(sum(squares), len(tallies) - 1)


def _of_counts(counts: Sequence[int]) -> Dispersion:
    """Against one rate for all minutes, the group's own."""
    mean = sum(counts) / len(counts)
    if not mean:
        return Dispersion()
    return Dispersion(sum((count - mean) ** 2 / mean for count in counts), len(counts) - 1)


def _of_table(minute: Minute) -> Dispersion:
    """Against the same odds on both sides, given the minute's margins (the hypergeometric distribution)."""
    on, control = minute.on, minute.control
    whole = on + control
    if not on.total or not control.total or not whole.failures or not whole.successes:
        return Dispersion()
    share = on.total / whole.total
    variance = whole.failures * share * (1 - share) * whole.successes / (whole.total - 1)
    return Dispersion((on.failures - whole.failures * share) ** 2 / variance, 1)
