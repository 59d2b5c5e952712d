"""Conditions compiled into predicates over an evaluation context. A predicate never raises for a context that was read
by `context.read_context`, and is false where the attribute is missing.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

from rollout.core.attributes import Attribute, AttributeType, Value, comparison_key
from rollout.core.dependencies import needed_first
from rollout.core.flags import TARGETING_ATTRIBUTE
from rollout.core.members import Membership
from rollout.core.segments import (
    Compare,
    Condition,
    Contains,
    EndsWith,
    Match,
    NoneOf,
    OneOf,
    Segment,
    SegmentCondition,
    StartsWith,
    Test,
    segments_in,
)

Context: TypeAlias = Mapping[str, Value]
"""An evaluation context: attribute -> value, the targeting key among them."""

Predicate: TypeAlias = Callable[[Context], bool]

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}


def compile_segments(
    segments: Mapping[str, Segment], attributes: Mapping[str, Attribute], members: Mapping[str, Membership]
) -> dict[str, Predicate]:
    """A predicate for each segment. `members` holds the member lists by digest; a list that is not there has nobody
    in it, which is the safe side. A segment that cannot be compiled raises when it is asked, so that it breaks no other
    flags than those that ask."""
    compiled: dict[str, Predicate] = {}
    inner = {
        name: [one for match in segment.matches for one in segments_in(match)] for name, segment in segments.items()
    }
    for name in needed_first(inner):
        try:
            compiled[name] = _segment(segments[name], attributes, compiled, members)
        except Exception:  # a broken segment fails alone
            compiled[name] = broken_segment
    return compiled


def broken_segment(context: Context) -> bool:  # noqa: ARG001
    raise LookupError("this segment cannot be evaluated")


def compile_match(match: Match, attributes: Mapping[str, Attribute], segments: Mapping[str, Predicate]) -> Predicate:
    """True when all conditions hold."""
    predicates = tuple(compile_condition(condition, attributes, segments) for condition in match.conditions)
    if len(predicates) == 1:
        return predicates[0]
    if len(predicates) == 2:
        first, second = predicates
        return lambda context: first(context) and second(context)

    def all_hold(context: Context) -> bool:
        for holds in predicates:  # noqa: SIM110 - a loop is twice as fast as all() over a generator
            if not holds(context):
                return False
        return True

    return all_hold


def compile_condition(
    condition: Condition, attributes: Mapping[str, Attribute], segments: Mapping[str, Predicate]
) -> Predicate:
    if isinstance(condition, SegmentCondition):
        return _in_segments(tuple(segments[name] for name in condition.segments), condition.negated)
    kind = attributes[condition.attribute].type if condition.attribute in attributes else AttributeType.STRING
    if len(condition.tests) == 1:
        return _attribute(condition.attribute, kind, condition.tests[0])
    predicates = tuple(_attribute(condition.attribute, kind, test) for test in condition.tests)
    return lambda context: all(holds(context) for holds in predicates)


def _segment(
    segment: Segment,
    attributes: Mapping[str, Attribute],
    inner: Mapping[str, Predicate],
    members: Mapping[str, Membership],
) -> Predicate:
    if segment.members:
        listed = members.get(segment.members.digest, frozenset())
        return lambda context: context.get(TARGETING_ATTRIBUTE) in listed
    matches = tuple(compile_match(match, attributes, inner) for match in segment.matches)
    if len(matches) == 1:
        return matches[0]
    return lambda context: any(holds(context) for holds in matches)


def _in_segments(predicates: tuple[Predicate, ...], negated: bool) -> Predicate:
    if negated:
        return lambda context: not any(holds(context) for holds in predicates)
    if len(predicates) == 1:
        return predicates[0]
    return lambda context: any(holds(context) for holds in predicates)


def _attribute(name: str, kind: AttributeType, test: Test) -> Predicate:
    match test:
        case OneOf(values):
            return _one_of(name, kind, values)
        case NoneOf(values):
            excluded = _one_of(name, kind, values)
            return lambda context: name in context and not excluded(context)
        case StartsWith(texts):
            return lambda context: context.get(name, _MISSING).startswith(texts)  # type: ignore[union-attr]
        case EndsWith(texts):
            return lambda context: context.get(name, _MISSING).endswith(texts)  # type: ignore[union-attr]
        case Contains(texts):
            return lambda context: any(text in context.get(name, _MISSING) for text in texts)  # type: ignore[operator]
        case Compare(bounds):
            return _compare(name, kind, bounds)


def _one_of(name: str, kind: AttributeType, values: tuple[Value, ...]) -> Predicate:
    keys = frozenset(comparison_key(kind, value) for value in values)
    if kind not in _KEYED:
        return lambda context: context.get(name) in keys
    return lambda context: name in context and comparison_key(kind, context[name]) in keys


def _compare(name: str, kind: AttributeType, bounds: tuple[tuple[str, Value], ...]) -> Predicate:
    compiled = tuple((_OPERATORS[sign], comparison_key(kind, operand)) for sign, operand in bounds)

    def compared(value: Value) -> bool:
        key = comparison_key(kind, value)
        return all(holds(key, bound) for holds, bound in compiled)

    if kind in _KEYED:  # a fleet sends few versions, each a million times
        compared = lru_cache(maxsize=1024)(compared)

    def within(context: Context) -> bool:
        return name in context and compared(context[name])

    return within


class _Missing:
    """Stands for text that is not there: it starts and ends with nothing and contains nothing."""

    def startswith(self, texts: object) -> bool:  # noqa: ARG002
        return False

    def endswith(self, texts: object) -> bool:  # noqa: ARG002
        return False

    def __contains__(self, text: object) -> bool:
        return False


_MISSING = _Missing()
_KEYED = frozenset({AttributeType.VERSION, AttributeType.DATETIME})
