"""What one minute's outcomes say for or against a guard's bound: for each of a few ways in which the bound may be
broken, the logarithm of how much likelier it makes this minute than the bound itself does. While the bound holds, such
a ratio is at most 1 on average, whatever happened before: nobody gets rich by betting against a bound that holds
(I. Waudby-Smith, A. Ramdas, Estimating means of bounded random variables by betting, 2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from functools import lru_cache
from math import inf, log

from rollout.core.guards import Guard, Rate
from rollout.core.tables import decides_nothing, log_sum

# Evidence that is stored has one number for each of these, in this order: a release that changes them has to change
# `Guard.question` too, so that it begins anew.
WORSE = tuple(map(Fraction, ("1.25", "1.5", "2", "3", "5", "10")))
"""How many times over the bound: shares for `max`, odds ratios for `against: control`."""

FEWER = tuple(map(Fraction, ("0.8", "0.5", "0.25", "0.1", "0")))
"""What part of the rate is left, for `min`."""

_MICROSECOND = timedelta(microseconds=1)
IMPOSSIBLE = 1000.0  # the logarithm that stands for a ratio without bound; larger than any that is needed to act


@dataclass(frozen=True, slots=True)
class Tally:
    """Outcomes counted: how many in all, and how many of them failed in a way that the guard counts."""

    failures: int = 0
    total: int = 0

    @property
    def successes(self) -> int:
        return self.total - self.failures

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.failures + other.failures, self.total + other.total)


NO_OUTCOMES = Tally()


@dataclass(frozen=True, slots=True)
class Minute:
    """One minute of one group: those who have the flag, and for `against: control` those who do not."""

    on: Tally = NO_OUTCOMES
    control: Tally = NO_OUTCOMES


def log_ratios(guard: Guard, minute: Minute) -> tuple[float, ...] | None:
    """One logarithm for each of the ways in which the bound may be broken; None for a minute that says nothing.

    A minute without outcomes says nothing about a share, and everything about a rate.
    """
    if guard.max_failures is not None:
        return _share_ratios(guard.max_failures.percent / 100, minute.on) if minute.on.total else None
    if guard.min_rate is not None:
        return _rate_ratios(_a_minute(guard.min_rate), minute.on.successes)
    return _table_ratios(guard.max_ratio or Fraction(1), minute.on, minute.control)


def _share_ratios(bound: Fraction, seen: Tally) -> tuple[float, ...] | None:
    """Binomial: q^f·(1-q)^(n-f) over the same for the bound. Nothing refutes a bound of 100 %; one failure refutes a
    bound of 0 %."""
    if bound == 1:
        return None
    if bound == 0:
        return (IMPOSSIBLE if seen.failures else 0.0,) * len(WORSE)
    return tuple(seen.failures * failed + seen.successes * went_well for failed, went_well in _share_bets(bound))


@lru_cache(maxsize=256)
def _share_bets(bound: Fraction) -> tuple[tuple[float, float], ...]:
    """What a failure and a success each say, for each alternative."""
    return tuple((log(q / bound), log((1 - q) / (1 - bound))) for q in (_worse_share(bound, times) for times in WORSE))


def _worse_share(bound: Fraction, times: Fraction) -> Fraction:
    """So many times the bound; where that is no share, so many times fewer successes."""
    return bound * times if bound * times < 1 else 1 - (1 - bound) / times


def _rate_ratios(bound: Fraction, successes: int) -> tuple[float, ...]:
    """Poisson: r^k·exp((1-r)·bound) for k successes where bound were to be expected, and r·bound if it is broken."""
    return tuple(
        (successes * log(part) if part else _none_seen(successes)) + float((1 - part) * bound) for part in FEWER
    )


def _none_seen(successes: int) -> float:
    return -inf if successes else 0.0


def _a_minute(rate: Rate) -> Fraction:
    return rate.amount * Fraction(timedelta(minutes=1) // _MICROSECOND, rate.per // _MICROSECOND)


def _table_ratios(bound: Fraction, on: Tally, control: Tally) -> tuple[float, ...] | None:
    failed = on.failures + control.failures
    if decides_nothing(on.total, control.total, failed):
        return None
    at_bound = log_sum(on.total, control.total, failed, float(bound))
    return tuple(
        on.failures * log(times) + at_bound - log_sum(on.total, control.total, failed, float(bound * times))
        for times in WORSE
    )
