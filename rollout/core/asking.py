"""Which attributes an answer depends on, so that nobody takes an answer for one that was given too few of them."""

from __future__ import annotations

from collections.abc import Iterator

from rollout.core.flags import TARGETING_ATTRIBUTE, Serving, Split
from rollout.core.ruleset import FlagRules, Ruleset
from rollout.core.segments import EVERYONE, AttributeCondition, Match, Segment
from rollout.core.shares import EVERYBODY


def attributes_asked(key: str, ruleset: Ruleset) -> frozenset[str]:
    """All that a flag may look at. Raises KeyError for a flag that does not exist."""
    return frozenset(_of_flag(ruleset.flags[key], ruleset, {key}))


def attributes_of(segment: str, ruleset: Ruleset) -> frozenset[str]:
    """All that decides who is in a segment."""
    return frozenset() if segment == EVERYONE else frozenset(_of_segment(ruleset.segments[segment], ruleset, set()))


def _of_flag(rules: FlagRules, ruleset: Ruleset, seen: set[str]) -> Iterator[str]:
    for other in rules.requires:
        if other not in seen and other in ruleset.flags:
            seen.add(other)
            yield from _of_flag(ruleset.flags[other], ruleset, seen)
    if _by_place(rules):
        yield rules.bucket_by
    segments: set[str] = set()
    for excluded in rules.excluded:
        yield excluded.attribute
    for rule in rules.rules:
        yield from _of_match(rule.match, ruleset, segments)
    for admission in rules.admissions:
        if admission.audience != EVERYONE:
            yield from _of_segment(ruleset.segments[admission.audience], ruleset, segments)


def _by_place(rules: FlagRules) -> bool:
    servings: list[Serving] = [rules.on, *(rule.serve for rule in rules.rules)]
    shared = any(admission.share != EVERYBODY for admission in rules.admissions)
    return shared or any(isinstance(serving, Split) for serving in servings)


def _of_match(match: Match, ruleset: Ruleset, seen: set[str]) -> Iterator[str]:
    for condition in match.conditions:
        if isinstance(condition, AttributeCondition):
            yield condition.attribute
        else:
            for name in condition.segments:
                yield from _of_segment(ruleset.segments[name], ruleset, seen)


def _of_segment(segment: Segment, ruleset: Ruleset, seen: set[str]) -> Iterator[str]:
    if segment.name in seen:
        return
    seen.add(segment.name)
    if segment.members:
        yield TARGETING_ATTRIBUTE
    for match in segment.matches:
        yield from _of_match(match, ruleset, seen)
