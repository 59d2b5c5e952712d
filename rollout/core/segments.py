"""Segments and the conditions that they, and rules, are made of. Data alone: `conditions` turns it into predicates.

A match holds when all of its conditions hold; a segment holds when any of its matches does, or when its member list has
the subject's targeting key. A condition on an attribute that is missing is false, also a negated one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from rollout.core.attributes import Value

EVERYONE = "everyone"
"""The audience of a rollout that names none. No segment may have this name."""


@dataclass(frozen=True, slots=True)
class OneOf:
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class NoneOf:
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class StartsWith:
    texts: tuple[str, ...]  # any of them


@dataclass(frozen=True, slots=True)
class EndsWith:
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contains:
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """Bounds as written: ((">=", "8.2.0"), ("<", "9")); all must hold. Operands are numbers for numbers, else text."""

    bounds: tuple[tuple[str, Value], ...]


Test: TypeAlias = OneOf | NoneOf | StartsWith | EndsWith | Contains | Compare


@dataclass(frozen=True, slots=True)
class AttributeCondition:
    """All of `tests` hold for the attribute's value."""

    attribute: str
    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class SegmentCondition:
    """The subject is in any of the segments, or, negated, in none of them."""

    segments: tuple[str, ...]
    negated: bool = False


Condition: TypeAlias = AttributeCondition | SegmentCondition


@dataclass(frozen=True, slots=True)
class Match:
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class MemberList:
    """Targeting keys that were listed in a file. The list itself travels apart, under its digest."""

    file: str  # as written, relative to flags.yaml
    digest: str
    count: int


@dataclass(frozen=True, slots=True)
class Segment:
    name: str
    description: str
    matches: tuple[Match, ...] = ()
    members: MemberList | None = None


def segments_in(match: Match) -> tuple[str, ...]:
    """Names of the segments that a match speaks of, in order."""
    return tuple(
        name for condition in match.conditions if isinstance(condition, SegmentCondition) for name in condition.segments
    )
