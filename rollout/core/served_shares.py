"""What was served of a share, against what was intended. People are compared, each once, however often they are asked
for: those inside the share with the control group outside it. Chance has its room, and so has a person who comes more
often because of having the flag; what is beyond both says that something between us and people is broken.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

from rollout.core.draws import Draw
from rollout.core.shares import HASHES

SIGMAS = 4.0
"""Looked at all day for hundreds of flags, chance alone should hardly ever be out of bounds."""

COUNT_ERROR = 0.0081
"""Standard error of a HyperLogLog of 16,384 registers, 1.04/√16384 (Flajolet et al., 2007)."""

WHO_COMES = 0.1
"""So much more or less often than others those inside may have been there: a flag changes what people do."""

LEAST_EXPECTED = 10.0  # people on each side, before anything is said of the share
LEAST_CHECKS = 100  # before anything is said of who asks
LEAST_VISITS = 300


class Finding(StrEnum):
    """What looks broken, and is told apart because what to look for differs."""

    SHARE = "share"  # other people are on than were drawn
    ONE_PERSON = "one person"
    NOBODY_TWICE = "nobody twice"
    NO_AUDIENCE = "no audience"
    NO_KEY = "no targeting key"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was counted of one flag while its share was this one. Checks are those that servers answered; people also
    those that programs report which evaluate by themselves."""

    checks: int = 0
    keyless: int = 0  # checks that did not say whose they are, where a share asked
    audience: int = 0  # checks that the share decided
    inside: int = 0  # of those, the ones that were admitted
    otherwise: int = 0  # checks that were on without the share: by a rule, or a segment before it
    sampled: int = 0  # checks of which it was looked at whose they are
    same: int = 0  # of those, the ones of somebody whose were most of the last ones
    visits: int = 0  # checks of the people below, where all of them are known
    people_inside: int = 0
    people_control: int = 0
    elsewhere: int = 0  # of these people, those whose checks are not all known


@dataclass(frozen=True, slots=True)
class Comparison:
    """Shares are in percent, of people in the audience; None: of too few to say."""

    percent: float | None
    lowest: float | None  # from here
    highest: float | None  # to here it may be chance
    people: int  # about how many in the audience were asked for
    findings: tuple[Finding, ...]


def compare(draw: Draw, seen: Seen) -> Comparison:
    found = seen.people_inside + seen.people_control
    expected = found * draw.expected
    percent = lowest = highest = None
    findings = _askers(seen)
    if min(expected, found - expected) >= LEAST_EXPECTED:
        room = _room(draw, seen)
        percent, lowest, highest = (
            _percent(draw, inside, found) for inside in (seen.people_inside, expected - room, expected + room)
        )
        if abs(seen.people_inside - expected) > room:
            findings.insert(0, Finding.SHARE)
    return Comparison(percent, lowest, highest, round(found * HASHES / draw.edge), tuple(findings))


def _room(draw: Draw, seen: Seen) -> float:
    """How many people more or fewer may be inside: by chance, by the counters' error, or since they come more often."""
    found, part = seen.people_inside + seen.people_control, draw.expected
    chance = found * part * (1 - part)
    counting = COUNT_ERROR**2 * ((seen.people_inside * (1 - part)) ** 2 + (seen.people_control * part) ** 2)
    return max(SIGMAS * sqrt(chance + counting) + 1, WHO_COMES * found * part * (1 - part))


def _percent(draw: Draw, inside: float, found: int) -> float:
    """Of all outside, the control group is a part that is known."""
    inside = min(max(inside, 0.0), float(found))
    outside = (found - inside) * (HASHES - draw.threshold) / (draw.edge - draw.threshold)
    return 100 * inside / (inside + outside)


def _askers(seen: Seen) -> list[Finding]:
    findings = []
    if seen.sampled >= LEAST_CHECKS and seen.same * 2 > seen.sampled:
        findings.append(Finding.ONE_PERSON)
    known = seen.people_inside + seen.people_control
    if not seen.elsewhere and seen.visits >= LEAST_VISITS and known >= 0.97 * seen.visits:
        findings.append(Finding.NOBODY_TWICE)
    if seen.keyless >= LEAST_CHECKS and seen.keyless * 20 > seen.checks:
        findings.append(Finding.NO_KEY)
    elif seen.checks - seen.otherwise >= LEAST_CHECKS and not seen.audience:
        findings.append(Finding.NO_AUDIENCE)
    return findings
