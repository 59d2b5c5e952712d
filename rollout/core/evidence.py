"""Evidence that a guard's bound is broken for one group, kept as what a gambler has made of one unit of money by
betting against the bound minute after minute. While the bound holds, the chance that this ever reaches 1/α is at most
α, however often and for however long one looks (J. Ville, Étude critique de la notion de collectif, 1939).

A part of the money waits for trouble that begins later. Of the n ways in which the bound may be broken each gets w_t/n
in minute t, and keeps betting with it from then on: R_t(r) = (R_{t-1}(r) + w_t/n)·S_t(r), where S_t(r) is the minute's
ratio from `bets`; E_t = Σ_r R_t(r) + what still waits. While the bound holds, a step never raises the mean, for any w
that add up to at most 1 and are fixed before the minute is seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from math import exp, inf, log, log1p, sqrt
from typing import Any

from rollout.core.bets import NO_OUTCOMES, Minute, Tally, log_ratios
from rollout.core.guards import Guard


@dataclass(frozen=True, slots=True)
class Evidence:
    """Since it began: the guard's question, what was counted, the minutes in which something could be learned, and log
    R for each way in which the bound may be broken (empty before the first such minute). The document holds floats
    exactly: judging goes on from it as if nothing had happened."""

    question: str = ""
    on: Tally = NO_OUTCOMES
    control: Tally = NO_OUTCOMES
    minutes: int = 0
    wealth: tuple[float, ...] = ()

    def document(self) -> dict[str, Any]:
        return {
            "question": self.question,
            "on": [self.on.failures, self.on.total],
            "control": [self.control.failures, self.control.total],
            "minutes": self.minutes,
            "wealth": [one.hex() for one in self.wealth],
        }

    @property
    def log_value(self) -> float:
        """log E: 0 before anything was learned, never NaN and never infinite."""
        return reduce(_log_sum, self.wealth, log(_waiting(self.minutes)))


NO_EVIDENCE = Evidence()


def read_evidence(document: dict[str, Any]) -> Evidence:
    return Evidence(
        question=document["question"],
        on=Tally(*document["on"]),
        control=Tally(*document["control"]),
        minutes=document["minutes"],
        wealth=tuple(map(float.fromhex, document["wealth"])),
    )


def evidence_on(guard: Guard, evidence: Evidence) -> Evidence:
    """`evidence`, or none at all where it is about something else: the guard was edited since."""
    return evidence if evidence.question == guard.question else Evidence(guard.question)


def next_evidence(guard: Guard, evidence: Evidence, minute: Minute) -> Evidence:
    """The evidence after one more minute. The caller sees to it that each minute is counted once and in order; for
    `min`, also the minutes without outcomes, and with every class of failure counted."""
    evidence = evidence_on(guard, evidence)
    on, control = evidence.on + minute.on, evidence.control + minute.control
    ratios = log_ratios(guard, minute) if _may_bet(guard, evidence) else None
    if ratios is None:
        return replace(evidence, on=on, control=control)
    minutes = evidence.minutes + 1
    stake = log(_set_free(minutes)) - log(len(ratios))
    before = evidence.wealth or (-inf,) * len(ratios)
    wealth = tuple(_log_sum(had, stake) + ratio for had, ratio in zip(before, ratios, strict=True))
    return Evidence(evidence.question, on, control, minutes, wealth)


def samples(guard: Guard, evidence: Evidence) -> int:
    """How much was seen, to be compared with `min_samples`: outcomes with the flag; for `min`, successes; against
    control, the outcomes of the side that has fewer."""
    if guard.min_rate is not None:
        return evidence.on.successes
    if guard.against is not None:
        return min(evidence.on.total, evidence.control.total)
    return evidence.on.total


def _may_bet(guard: Guard, evidence: Evidence) -> bool:
    """What vanished must have been there: a rate is judged once it was seen to exist, and its rise is not held against
    it. That the bets begin at such a moment changes nothing: it is known before the minute that is bet on."""
    return guard.min_rate is None or samples(guard, evidence) >= guard.min_samples


def _waiting(minutes: int) -> float:
    """What waits for trouble that begins after so many minutes: (1+t)^(-1/4).

    Rollouts run for weeks, and trouble in the sixth week should be seen as soon as on the first day. 1/(t+1) would set
    a 360,000th free in the 600th minute; this sets an 11,900th free, which saves 3.4 of the 22 that log E has to climb
    there for one bank of thirty, and costs 1.1 in the first minute. Square roots are the same on every machine; powers
    need not be.
    """
    return 1.0 / sqrt(sqrt(1.0 + minutes))


def _set_free(minute: int) -> float:
    """w_t. Summed over all minutes, with what waits, it is 1."""
    return _waiting(minute - 1) - _waiting(minute)


def _log_sum(one: float, other: float) -> float:
    """log of the sum of what the two stand for; -inf, for nothing, is never both."""
    return max(one, other) + log1p(exp(-abs(one - other)))
