"""What the tests of guards share: guards by what they bound, minutes, and evidence after some of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from fractions import Fraction

from rollout.core.bets import Minute, Tally
from rollout.core.evidence import NO_EVIDENCE, Evidence, next_evidence
from rollout.core.guards import Guard, GuardAction, Rate
from rollout.core.shares import Share


def at_most(share: str, *, by: str | None = None, min_samples: int = 100, confidence: str = "99%") -> Guard:
    return Guard(
        name="upi-failures",
        description="",
        metric="upi-transfer",
        action=GuardAction.HALT,
        max_failures=Share.parse(share),
        by=by,
        min_samples=min_samples,
        confidence=Share.parse(confidence),
    )


def at_least(amount: str, per: timedelta = timedelta(minutes=1), *, min_samples: int = 100) -> Guard:
    rate = Rate(Fraction(amount), per)
    return Guard("can-pay", "", "payment", GuardAction.HALT, min_rate=rate, min_samples=min_samples)


def against_control(max_ratio: str, *, by: str | None = None, min_samples: int = 100) -> Guard:
    return Guard(
        name="crashes",
        description="",
        metric="crash",
        action=GuardAction.HALT,
        against="control",
        max_ratio=Fraction(max_ratio),
        by=by,
        min_samples=min_samples,
    )


def minute(failures: int, total: int, control_failures: int = 0, control_total: int = 0) -> Minute:
    return Minute(Tally(failures, total), Tally(control_failures, control_total))


def after(guard: Guard, minutes: Iterable[Minute], evidence: Evidence = NO_EVIDENCE) -> Evidence:
    for one in minutes:
        evidence = next_evidence(guard, evidence, one)
    return evidence
