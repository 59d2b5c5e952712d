"""Who has a flag, once more: written as design section 3 says it, slowly and without compiling anything, to compare the
evaluator with."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mmh3

from rollout.core.attributes import AttributeType
from rollout.core.flags import Flag, Split
from rollout.core.progress import Exclusion, State
from rollout.core.segments import (
    EVERYONE,
    Compare,
    Contains,
    EndsWith,
    Match,
    NoneOf,
    OneOf,
    SegmentCondition,
    StartsWith,
)
from rollout.core.versions import version_key
from tests.core.strategies import ATTRIBUTES, MEMBERS

Context = dict[str, Any]


def who_has(state: State, key: str, context: Context) -> tuple[str | None, str]:
    """The variant that is served (None: no variant) and why, in a word."""
    record = state.records[key]
    flag = record.flag
    if record.progress.killed:
        return flag.off, "killed"
    if not flag.enabled:
        return flag.off, "disabled"
    for other in flag.requires:
        if not is_on(state, other, context):
            return flag.off, f"requires {other}"
    for exclusion in record.progress.excluded:
        if excluded(exclusion, context):
            return flag.off, f"guard {exclusion.guard}"
    for number, rule in enumerate(flag.rules, 1):
        if holds(state, rule.match, context):
            return served(flag, rule.serve, context, f"rule {number}")
    return admitted(state, key, context)


def excluded(exclusion: Exclusion, context: Context) -> bool:
    if exclusion.attribute not in context:
        return False
    kind, value = ATTRIBUTES[exclusion.attribute].type, context[exclusion.attribute]
    if kind is AttributeType.BOOLEAN:
        return bool(value) == (exclusion.value == "true")
    return bool(_key(kind, value) == _key(kind, exclusion.value))


def is_on(state: State, key: str, context: Context) -> bool:
    variant, why = who_has(state, key, context)
    return variant != state.records[key].flag.off and why != "no targeting key"


def admitted(state: State, key: str, context: Context) -> tuple[str | None, str]:
    """Any of the live shares admits them: a share of an audience that the plan speaks of."""
    record, flag = state.records[key], state.records[key].flag
    keyless = False
    for audience in dict.fromkeys(stage.audience for stage in flag.stages):
        percent = record.progress.exposure[audience].percent if audience in record.progress.exposure else Fraction(0)
        if not percent or not (audience == EVERYONE or in_segment(state, audience, context)):
            continue
        everybody = percent * 2**32 > 100 * (2**32 - 1)
        if not everybody and not context.get(flag.bucket_by):
            keyless = True
        elif everybody or Fraction(place(flag.salt, context[flag.bucket_by])) < percent * 2**32 / 100:
            return served(flag, flag.on, context, "stage")
    return flag.off, "no targeting key" if keyless else "not admitted"


def served(flag: Flag, serving: str | Split, context: Context, why: str) -> tuple[str | None, str]:
    if isinstance(serving, str):
        return serving, why
    if not context.get(flag.bucket_by):
        return flag.off, "no targeting key"
    drawn, end = place(flag.salt + ":split", context[flag.bucket_by]), Fraction(0)
    for variant, share in serving.shares:
        end += share.percent
        if drawn < end * 2**32 / 100:
            return variant, why
    raise AssertionError("the parts of a split add up to 100 %")


def place(salt: str, targeting_key: str) -> int:
    return mmh3.hash(f"{salt}:{targeting_key}".encode(), 0, signed=False)


def in_segment(state: State, name: str, context: Context) -> bool:
    segment = state.definitions.segments[name]
    if segment.members:
        return context.get("user_id") in MEMBERS[segment.members.digest]
    return any(holds(state, match, context) for match in segment.matches)


def holds(state: State, match: Match, context: Context) -> bool:
    return all(_condition(state, condition, context) for condition in match.conditions)


def _condition(state: State, condition: Any, context: Context) -> bool:
    if isinstance(condition, SegmentCondition):
        return any(in_segment(state, name, context) for name in condition.segments) != condition.negated
    if condition.attribute not in context:
        return False
    kind, value = ATTRIBUTES[condition.attribute].type, context[condition.attribute]
    return all(_test(kind, test, value) for test in condition.tests)


def _test(kind: AttributeType, test: Any, value: Any) -> bool:
    if isinstance(test, OneOf):
        return any(_key(kind, one) == _key(kind, value) for one in test.values)
    if isinstance(test, NoneOf):
        return all(_key(kind, one) != _key(kind, value) for one in test.values)
    if isinstance(test, StartsWith):
        return any(value[: len(text)] == text for text in test.texts)
    if isinstance(test, EndsWith):
        return any(value[len(value) - len(text) :] == text for text in test.texts if len(text) <= len(value))
    if isinstance(test, Contains):
        return any(value.find(text) >= 0 for text in test.texts)
    assert isinstance(test, Compare)
    return all(_compared(sign, _key(kind, value), _key(kind, bound)) for sign, bound in test.bounds)


def _compared(sign: str, one: Any, other: Any) -> bool:
    return {"<": one < other, ">": one > other, "<=": one <= other, ">=": one >= other}[sign]


_MOMENTS = {  # of strategies.POOLS
    "2024-01-01": Fraction(1704067200),
    "2024-01-01T05:30:00+05:30": Fraction(1704067200),
    "2023-12-31T23:59:59.5Z": Fraction("1704067199.5"),
}


def _key(kind: AttributeType, value: Any) -> Any:
    if kind is AttributeType.VERSION:
        return version_key(value)
    return _MOMENTS[value] if kind is AttributeType.DATETIME else value
