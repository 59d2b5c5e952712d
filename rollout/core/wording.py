"""Conditions in plain words, for explanations."""

from __future__ import annotations

from collections.abc import Sequence

from rollout.core.attributes import Value
from rollout.core.conditions import Context
from rollout.core.segments import (
    AttributeCondition,
    Compare,
    Condition,
    Contains,
    EndsWith,
    NoneOf,
    OneOf,
    StartsWith,
    Test,
)

MANY = 5


def condition_words(condition: Condition) -> str:
    """ "country is IN", "app_version is >=2.18.9", "in beta-testers"."""
    if isinstance(condition, AttributeCondition):
        return f"{condition.attribute} " + " and ".join(map(_test_words, condition.tests))
    return ("not in " if condition.negated else "in ") + alternatives(condition.segments)


def given_words(condition: Condition, context: Context) -> str:
    """What the context has for a condition: "it is 2.18.8", "it was not given"."""
    if not isinstance(condition, AttributeCondition):
        return ""
    if condition.attribute not in context:
        return "it was not given"
    return f"it is {_value(context[condition.attribute])}"


def lacking_words(condition: Condition, context: Context) -> str:
    """Why a condition does not hold: "app_version is 2.18.8, not >=2.18.9", "country was not given"."""
    if not isinstance(condition, AttributeCondition):
        return ("in " if condition.negated else "not in ") + alternatives(condition.segments)
    if condition.attribute not in context:
        return f"{condition.attribute} was not given"
    wanted = condition_words(condition).removeprefix(f"{condition.attribute} ").removeprefix("is ")
    return f"{condition.attribute} is {_value(context[condition.attribute])}, not {wanted}"


def alternatives(values: Sequence[Value]) -> str:
    """ "a", "a or b", "a, b or c", and not all of a long list."""
    words = [_value(value) for value in values]
    if len(words) > MANY:
        words = [*words[:MANY], f"{len(words) - MANY} more"]
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _test_words(test: Test) -> str:
    match test:
        case OneOf(values):
            return f"is {alternatives(values)}"
        case NoneOf(values):
            return f"is other than {alternatives(values)}"
        case StartsWith(texts):
            return f"starts with {alternatives(texts)}"
        case EndsWith(texts):
            return f"ends with {alternatives(texts)}"
        case Contains(texts):
            return f"contains {alternatives(texts)}"
        case Compare(bounds):
            return "is " + " and ".join(f"{sign}{_value(operand)}" for sign, operand in bounds)


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
