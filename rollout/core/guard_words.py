"""Guards in plain words: what they ask for, what they read, and what they found."""

from __future__ import annotations

from fractions import Fraction

from rollout.core.bets import Minute, Tally
from rollout.core.durations import format_duration
from rollout.core.guards import Guard
from rollout.core.watching import RECENT, Finding, GroupWatch, reading


def limit_words(guard: Guard) -> str:
    """ "at most 2%", "at least 5/m", "at most 1.25 times the odds of control"."""
    if guard.max_failures is not None:
        return f"at most {guard.max_failures}"
    if guard.min_rate is not None:
        return f"at least {_number(guard.min_rate.amount)} per {format_duration(guard.min_rate.per)}"
    return f"at most {_number(guard.max_ratio or Fraction(1))} times the odds of control"


def reading_words(guard: Guard, group: GroupWatch) -> str:
    """Of the last ten minutes: "12.3% (37 of 300)", "0.4 per 1m", "2% (4 of 200), control 1% (3 of 300)"."""
    seen = reading(group)
    if guard.min_rate is not None:
        minutes = max(len(group.recent), 1)
        return f"{seen.on.successes / minutes:.3g} per 1m"
    if guard.against is not None:
        return f"{tally_words(seen.on)}, control {tally_words(seen.control)}"
    return tally_words(seen.on)


def tally_words(tally: Tally) -> str:
    """ "12.3% (37 of 300)"; "nothing"."""
    if not tally.total:
        return "nothing"
    return f"{100 * tally.failures / tally.total:.3g}% ({tally.failures} of {tally.total})"


def finding_words(finding: Finding) -> str:
    """ "bank SBI: upi-transfer 12.3% (37 of 300) in 10 minutes, at most 2%"."""
    guard = finding.guard
    group = f"{guard.by} {finding.value}: " if guard.by else ""
    whose = "drill: " if finding.drill else group
    minutes = min(len(finding.group.recent), RECENT)
    span = f"{minutes} minutes" if minutes != 1 else "1 minute"
    return f"{whose}{guard.metric} {reading_words(guard, finding.group)} in {span}, {limit_words(guard)}"


def failures_percent(minute: Minute) -> float | None:
    """The share of outcomes that failed, in percent; None without outcomes."""
    return 100 * minute.on.failures / minute.on.total if minute.on.total else None


def _number(value: Fraction) -> str:
    return f"{float(value):g}"
