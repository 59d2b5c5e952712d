"""From evidence to a judgement: how often a guard may be wrong, how that is shared among the groups that it judges, and
what the evidence of one group amounts to. A group without enough samples is never called healthy, nor stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import inf, log

from rollout.core.attributes import Attribute, AttributeType
from rollout.core.evidence import Evidence, evidence_on, samples
from rollout.core.guards import Guard


@dataclass(frozen=True, slots=True)
class Judgement:
    """On one group. `log_value` is log E of its evidence, `log_needed` what would stop it: log 1/α."""

    samples: int
    enough: bool  # samples, to say anything
    breached: bool
    log_value: float
    log_needed: float

    @property
    def evidence_percent(self) -> int:
        """How much there is of what would stop it, 0 to 100; 100 only where it is reached."""
        if self.log_value >= self.log_needed:
            return 100
        return min(max(int(100 * self.log_value / self.log_needed), 0), 99)


def judge(guard: Guard, evidence: Evidence, alpha: Fraction) -> Judgement:
    """`alpha`: how often this group may be stopped wrongly, from `alpha_of_group`."""
    evidence = evidence_on(guard, evidence)
    seen = samples(guard, evidence)
    enough = seen >= guard.min_samples
    value, needed = evidence.log_value, _log_inverse(alpha)
    return Judgement(seen, enough, enough and value >= needed, value, needed)


def alpha_of(guard: Guard) -> Fraction:
    """How often the guard may be wrong, over all of its groups and all of the rollout: 1 - confidence."""
    return 1 - guard.confidence.percent / 100


def alpha_of_group(guard: Guard, value: str | None, declared: Sequence[str], appeared: Sequence[str]) -> Fraction:
    """The group's part of it. `value` is None for a guard without `by`.

    Values that the attribute declares share it equally; a value beside them gets nothing, and is never stopped by
    itself. Where none are declared, the k-th value in `appeared` (all that were ever reported, in order) gets
    α/(k(k+1)): that adds up to less than α for any number of them.
    """
    alpha = alpha_of(guard)
    if value is None:
        return alpha
    if declared:
        return alpha / len(declared) if value in declared else Fraction(0)
    place = appeared.index(value) + 1
    return alpha / (place * (place + 1))


def declared_values(attribute: Attribute) -> tuple[str, ...]:
    """The values by which outcomes may be grouped, as far as they are known beforehand."""
    return ("true", "false") if attribute.type is AttributeType.BOOLEAN else attribute.values


def _log_inverse(alpha: Fraction) -> float:
    return log(alpha.denominator) - log(alpha.numerator) if alpha else inf
