"""Conditions as masks over columns, with the meaning of `core.conditions`: false where the attribute is missing, also a
negated one. Values that were read one by one are asked of the core's own predicates; only what a machine does alike for
a whole column (text, numbers, booleans, instants) is done here again, and a test holds it to the core.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rollout.batch.columns import Column, Mask
from rollout.batch.frames import Frame
from rollout.core.attributes import Attribute, AttributeType, Value, comparison_key
from rollout.core.conditions import compile_condition
from rollout.core.segments import (
    AttributeCondition,
    Compare,
    Condition,
    Contains,
    EndsWith,
    Match,
    NoneOf,
    OneOf,
    SegmentCondition,
    StartsWith,
    Test,
)

Holds: TypeAlias = Callable[[Frame], Mask]
"""For which rows of a frame something holds."""

_SIGNS: Mapping[str, Callable[[Any, Any], Any]] = {
    ">=": np.greater_equal,
    ">": np.greater,
    "<=": np.less_equal,
    "<": np.less,
}


def match_mask(match: Match, attributes: Mapping[str, Attribute], segments: Mapping[str, Holds]) -> Holds:
    conditions = [condition_mask(condition, attributes, segments) for condition in match.conditions]
    return lambda frame: all_of(frame, [holds(frame) for holds in conditions])


def all_of(frame: Frame, masks: list[Mask]) -> Mask:
    return reduce(np.logical_and, masks) if masks else np.ones(frame.size, np.bool_)


def any_of(frame: Frame, masks: list[Mask]) -> Mask:
    return reduce(np.logical_or, masks) if masks else np.zeros(frame.size, np.bool_)


def condition_mask(condition: Condition, attributes: Mapping[str, Attribute], segments: Mapping[str, Holds]) -> Holds:
    if isinstance(condition, SegmentCondition):
        inside = [segments[name] for name in condition.segments]
        if condition.negated:
            return lambda frame: ~any_of(frame, [holds(frame) for holds in inside])
        return lambda frame: any_of(frame, [holds(frame) for holds in inside])
    return _attribute(condition, attributes)


def _attribute(condition: AttributeCondition, attributes: Mapping[str, Attribute]) -> Holds:
    name = condition.attribute
    kind = attributes[name].type if name in attributes else AttributeType.STRING
    predicate = compile_condition(condition, attributes, {})

    def holds(frame: Frame) -> Mask:
        column = frame.column(name)
        if column is None:
            return np.zeros(frame.size, np.bool_)
        if isinstance(column.values, list):
            single = [value is not None and predicate({name: value}) for value in column.values]
            return column.rows(np.array(single, np.bool_))
        return column.rows(reduce(np.logical_and, [_holds(kind, test, column) for test in condition.tests]))

    return holds


def _holds(kind: AttributeType, test: Test, column: Column) -> Mask:
    """Of each value. Where it is missing the answer means nothing."""
    match test:
        case OneOf(values):
            return _one_of(kind, column, values)
        case NoneOf(values):
            return ~_one_of(kind, column, values)
        case StartsWith(texts):
            return _any_text(pc.starts_with, column, texts)
        case EndsWith(texts):
            return _any_text(pc.ends_with, column, texts)
        case Contains(texts):
            return _any_text(pc.match_substring, column, texts)
        case Compare(bounds):
            return reduce(np.logical_and, [_compare(column.values, sign, _key(kind, bound)) for sign, bound in bounds])


def _any_text(function: Callable[[pa.Array, str], pa.Array], column: Column, texts: tuple[str, ...]) -> Mask:
    return reduce(np.logical_or, [_mask(function(column.values, text)) for text in texts])


def _one_of(kind: AttributeType, column: Column, values: tuple[Value, ...]) -> Mask:
    if isinstance(column.values, pa.Array):
        wanted = pa.array([value for value in values if isinstance(value, str)], column.values.type)
        return _mask(pc.is_in(column.values, value_set=wanted))
    equal = [_equal(column.values, _key(kind, value)) for value in values]
    return reduce(np.logical_or, equal, np.zeros(len(column.values), np.bool_))


def _key(kind: AttributeType, value: Value) -> float:
    key: Any = comparison_key(kind, value)
    return key  # type: ignore[no-any-return]  # versions, whose keys are no numbers, are read one by one


def _mask(answers: pa.Array) -> Mask:
    mask: Mask = answers.fill_null(False).to_numpy(zero_copy_only=False)
    return mask


def _equal(values: Any, key: float) -> Mask:
    return _compare(values, ">=", key) & _compare(values, "<=", key)


def _compare(values: Any, sign: str, bound: float) -> Mask:
    """As Python compares: exactly, also whole numbers that a float cannot hold."""
    if values.dtype.kind == "f":
        sign, bound = _as_float(sign, bound)
    elif values.dtype.kind in "iu":
        sign, bound = _as_whole(sign, bound)
        kind = np.iinfo(values.dtype)
        if not kind.min <= bound <= kind.max:
            above = bound > kind.max
            return np.full(len(values), above == (sign == "<="), np.bool_)
    mask: Mask = _SIGNS[sign](values, values.dtype.type(bound))
    return mask


def _as_whole(sign: str, bound: float) -> tuple[str, int]:
    """A bound on whole numbers, as >= or <= of a whole number."""
    match sign:
        case ">=":
            return ">=", math.ceil(bound)
        case ">":
            return ">=", math.floor(bound) + 1
        case "<=":
            return "<=", math.floor(bound)
        case _:
            return "<=", math.ceil(bound) - 1


def _as_float(sign: str, bound: float) -> tuple[str, float]:
    """A bound on floats, as one that a float can hold: the next one inside where it cannot."""
    try:
        nearest = float(bound)
    except OverflowError:  # a whole number beyond all floats
        nearest = math.inf if bound > 0 else -math.inf
    if nearest == bound:
        return sign, nearest
    if sign in (">=", ">"):
        return ">=", nearest if nearest > bound else math.nextafter(nearest, math.inf)
    return "<=", nearest if nearest < bound else math.nextafter(nearest, -math.inf)
