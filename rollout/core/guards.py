"""Guards: bounds on what is reported back about a flag, as the file states them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from fractions import Fraction

from rollout.core.shares import Share


class GuardAction(StrEnum):
    WARN = "warn"
    HALT = "halt"
    EXCLUDE = "exclude"
    ROLLBACK = "rollback"
    KILL = "kill"


CONFIDENT = Share(Fraction(99))


@dataclass(frozen=True, slots=True)
class Rate:
    """A number of outcomes in a span of time; written 5/m."""

    amount: Fraction
    per: timedelta


@dataclass(frozen=True, slots=True)
class Guard:
    """A bound on one metric. Exactly one of `max_failures`, `min_rate` and `against` says what the bound is."""

    name: str
    description: str
    metric: str
    action: GuardAction
    max_failures: Share | None = None  # share of outcomes that may fail; `max` in the file
    min_rate: Rate | None = None  # successes that must not vanish; `min` in the file
    against: str | None = None  # "control": compared with those who do not have the flag
    max_ratio: Fraction | None = None  # of the odds of failing, with the flag against without
    counts: tuple[str, ...] = ()  # classes of failure that count; () for all
    by: str | None = None  # an attribute of the outcome: each of its values is judged on its own
    min_samples: int = 100
    confidence: Share = CONFIDENT
    no_data: timedelta = timedelta(minutes=10)  # silence for this long holds the rollout
    prometheus: tuple[str, str] | None = None  # (url, query) where the reading comes from there

    @property
    def question(self) -> str:
        """What outcomes are evidence about, in one line. Evidence on one question says nothing about another; how sure
        one wants to be, and what is then done, are not part of it."""
        return f"{self.metric} ({', '.join(self.counts) or 'all'}) by {self.by or 'nothing'}: {self._bound}"

    @property
    def _bound(self) -> str:
        if self.max_failures is not None:
            return f"max {self.max_failures}"
        if self.min_rate is not None:
            return f"min {self.min_rate.amount} in {self.min_rate.per}"
        return f"against {self.against} {self.max_ratio}"
