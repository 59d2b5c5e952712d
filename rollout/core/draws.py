"""The draw of a share: who of its audience is inside, and a control group of those outside, as wide as the share where
there is room. People are counted on both sides, so that what was served can be compared with what was intended,
without counting everybody who is outside: a bucket is uniform, so both sides are as large as they are wide.
"""

from __future__ import annotations

from dataclasses import dataclass

from rollout.core.flags import TARGETING_ATTRIBUTE, Split
from rollout.core.ruleset import FlagRules
from rollout.core.shares import HASHES, Share

LEAST = HASHES // 100
"""The control group of the smallest shares: larger than they are, so that chance on its side counts for little."""

INSIDE = ":inside"
CONTROL = ":control"


@dataclass(frozen=True, slots=True)
class Draw:
    """Buckets below `threshold` are inside; those next to them, below `edge`, are the control group."""

    audience: str
    share: Share
    threshold: int
    edge: int

    @property
    def name(self) -> str:
        return f"{self.share} of {self.audience}"

    @property
    def expected(self) -> float:
        """Of the people on both sides, the part that is inside where all goes well."""
        return self.threshold / self.edge


def draw_of(rules: FlagRules) -> Draw | None:
    """None where no one share decides, or those inside cannot be told from those outside by what they are served, or
    buckets are of something else than the people who are counted."""
    drawn = [one for one in rules.admissions if one.share.threshold < HASHES]
    if len(drawn) != 1 or rules.killed or not rules.enabled or rules.bucket_by != TARGETING_ATTRIBUTE:
        return None
    if rules.off in served_inside(rules):
        return None
    (admission,) = drawn
    threshold = admission.share.threshold
    return Draw(admission.audience, admission.share, threshold, min(threshold + max(threshold, LEAST), HASHES))


def served_inside(rules: FlagRules) -> tuple[str, ...]:
    return tuple(variant for variant, _ in rules.on.shares) if isinstance(rules.on, Split) else (rules.on,)
