"""Conditions: what `match:` asks of a subject's attributes and segments. How a condition may be written follows from
the declared type of its attribute: a number is never compared as text, and a misspelt country is found in time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TypeVar

from rollout.core.attributes import ORDERED, Attribute, AttributeType, Value, comparison_key, read_value
from rollout.core.errors import InvalidInput
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
from rollout.yaml_files.fields import distinct, fields_of
from rollout.yaml_files.hints import Vocabulary
from rollout.yaml_files.nodes import ListNode, MapNode, Node, Scalar, shown
from rollout.yaml_files.notes import Notes
from rollout.yaml_files.scalars import boolean, is_null, scalar
from rollout.yaml_files.scope import Scope

T = TypeVar("T")

SEGMENT = "segment"  # the one key of a match that is not an attribute

_COMPARISON = re.compile(r"[<>=!~^]")
_COMPARED = re.compile(r"\s*[<>=!]")
_BOUND = re.compile(r"\s*(>=|<=|>|<)\s*([^<>=!\s](?:[^<>=!]*[^<>=!\s])?)\s*")
_LIST_HINTS = dict.fromkeys(
    ("in", "one_of", "oneof", "is", "eq", "equals", "any", "values"), "write the value, or [a, b]"
)
_BOUND_HINTS = {
    **dict.fromkeys(("gte", "ge", "min", "from", "since"), 'write ">=…"'),
    **dict.fromkeys(("gt", "after"), 'write ">…"'),
    **dict.fromkeys(("lte", "le", "max", "to", "until"), 'write "<=…"'),
    **dict.fromkeys(("lt", "before"), 'write "<…"'),
    "between": 'write ">=… <=…"',
}
_PATTERN_HINTS = dict.fromkeys(
    ("matches", "regex", "regexp", "pattern", "like", "glob"), "write starts_with, ends_with or contains"
)
_FOREIGN = {**_LIST_HINTS, **_BOUND_HINTS, **_PATTERN_HINTS}

TEXT_TESTS = Vocabulary("a condition on a string", ("not", "starts_with", "ends_with", "contains"), _FOREIGN)
OTHER_TESTS = Vocabulary("a condition on a number, version or datetime", ("not",), _FOREIGN)
SEGMENT_TESTS = Vocabulary("a condition on segments", ("not",), _FOREIGN)

_TEXT_READERS: dict[str, Callable[[tuple[str, ...]], Test]] = {
    "starts_with": StartsWith,
    "ends_with": EndsWith,
    "contains": Contains,
}


def read_match(node: Node, scope: Scope) -> Match:
    """All conditions of a match, of which those with problems are left out."""
    if not isinstance(node, MapNode):
        scope.notes.error(node, "'match' is a mapping of attributes to values", "write: match: { country: IN }")
        return Match(())
    if not node.entries:
        scope.notes.error(node, "a match without conditions holds for everybody", "say so with 'audience: everyone'")
    conditions = (_condition(key, value, scope) for key, value in node.entries.values())
    return Match(tuple(condition for condition in conditions if condition))


def _condition(key: Scalar, node: Node, scope: Scope) -> Condition | None:
    if key.text == SEGMENT:
        return _segments(node, scope)
    if key.text not in scope.attributes:
        hint = _KEY_HINTS.get(key.text) or scope.notes.suggest(key.text, scope.attributes)
        scope.notes.error(key, f"no attribute called '{shown(key.text)}'", hint or "declare it under 'attributes:'")
        return None
    attribute = scope.attributes[key.text]
    if attribute is None:
        return None
    tests = tuple(_TESTS[attribute.type](attribute, node, scope.notes))
    return AttributeCondition(attribute.name, tests) if tests else None


_KEY_HINTS = {
    "segments": "write 'segment', also for a list of them",
    "not": "put it inside: country: { not: [IN] }",
    "any": "'any' stands beside 'match' in a segment: any: [{ match: ... }, ...]",
    "or": "a segment with 'any:' lists matches of which one is enough",
    "and": "all conditions of a match hold together already",
    "all": "all conditions of a match hold together already",
    "match": "take the second 'match' out",
    "attribute": "write the attribute as the key: country: IN",
    "userId": "write 'user_id'",
    "targetingKey": "write 'user_id'",
}


def _segments(node: Node, scope: Scope) -> Condition | None:
    negated = isinstance(node, MapNode)
    if isinstance(node, MapNode):
        fields = fields_of(node, SEGMENT_TESTS, node, scope.notes)
        fields.need(("not",), "such as { not: [india] }")
        inside = fields.value("not")
        if inside is None:
            return None
        node = inside
    names = _one_or_more(node, scope.segment, SEGMENT, scope.notes)
    return SegmentCondition(names, negated) if names else None


def _one_or_more(node: Node, read: Callable[[Node], T], what: str, notes: Notes) -> tuple[T, ...]:
    """A value alone, or those of a list."""
    if isinstance(node, ListNode):
        return distinct(node, read, what, notes, some=True)
    value = notes.attempt(read, node, None)
    return () if value is None else (value,)


def _text_tests(attribute: Attribute, node: Node, notes: Notes) -> Iterator[Test]:
    if not isinstance(node, MapNode):
        values = _one_or_more(
            node, _known_text(attribute, notes, alone=isinstance(node, Scalar)), attribute.name, notes
        )
        if values:
            yield OneOf(values)
        return
    fields = fields_of(node, TEXT_TESTS, node, notes)
    if not node.entries:
        notes.error(node, "a condition without a test", f"write a value, or one of {', '.join(TEXT_TESTS.keys)}")
    for key, (_, value) in fields.node.entries.items():
        if key == "not":
            yield from _none_of(_one_or_more(value, _known_text(attribute, notes), key, notes))
        elif key in _TEXT_READERS:
            texts = _one_or_more(value, _part, key, notes)
            if texts:
                yield _TEXT_READERS[key](texts)


def _none_of(values: tuple[Value, ...]) -> Iterator[Test]:
    if values:
        yield NoneOf(values)


def _known_text(attribute: Attribute, notes: Notes, *, alone: bool = False) -> Callable[[Node], str]:
    """A reader of one value of a string attribute."""

    def read(node: Node) -> str:
        word = scalar(node)
        if alone and not attribute.values and _COMPARED.match(word.text):
            said = f"'{attribute.name}' is a string, and strings are not compared"
            raise InvalidInput(said, "declare it a number, version or datetime; a text that begins so goes into [ ]")
        if attribute.values and word.text not in attribute.values:
            hint = notes.suggest(word.text, attribute.values) or f"see 'values' of '{attribute.name}'"
            raise InvalidInput(f"'{shown(word.text)}' is not among the values of '{attribute.name}'", hint)
        return word.text

    return read


def _part(node: Node) -> str:
    word = scalar(node).text
    if not word:
        raise InvalidInput("every text has the empty text in it", "write the text to look for")
    return word


def _boolean_tests(attribute: Attribute, node: Node, notes: Notes) -> Iterator[Test]:
    if not isinstance(node, Scalar):
        notes.error(node, f"'{attribute.name}' is a boolean", "write true or false")
        return
    value = notes.attempt(boolean, node, None)
    if value is not None:
        yield OneOf((value,))


def _ordered_tests(attribute: Attribute, node: Node, notes: Notes) -> Iterator[Test]:
    if isinstance(node, Scalar) and not is_null(node) and _COMPARISON.match(node.text.strip()):
        bounds = notes.attempt(lambda word: _bounds(attribute, scalar(word).text), node, ())
        if bounds:
            yield Compare(bounds)
        return
    if not isinstance(node, MapNode):
        values = _one_or_more(node, _operand(attribute), attribute.name, notes)
        if values:
            yield OneOf(values)
        return
    inside = fields_of(node, OTHER_TESTS, node, notes).value("not")
    if inside is not None:
        yield from _none_of(_one_or_more(inside, _operand(attribute), "not", notes))
    elif not node.entries:
        notes.error(node, "a condition without a test", 'write a value, a comparison such as ">=20", or { not: [...] }')


def _operand(attribute: Attribute) -> Callable[[Node], Value]:
    """A reader of one value to be equal to."""

    def read(node: Node) -> Value:
        word = scalar(node).text
        if _COMPARISON.match(word):
            raise InvalidInput(
                f"the comparison '{shown(word)}' has to stand alone", f'write: {attribute.name}: "{shown(word)}"'
            )
        return read_value(attribute, word)

    return read


def _bounds(attribute: Attribute, written: str) -> tuple[tuple[str, Value], ...]:
    """Reads ">=8.2.0 <9". Raises InvalidInput where it is not that, or nothing can be both."""
    if "," in written:
        raise InvalidInput(f"'{shown(written)}' is not a comparison", "put a space between bounds, and no comma")
    bounds: list[tuple[str, Value]] = []
    at = 0
    while at < len(written):
        found = _BOUND.match(written, at)
        if found is None:
            raise InvalidInput(f"'{shown(written)}' is not a comparison", _comparison_hint(written))
        bounds.append((found[1], read_value(attribute, found[2])))
        at = found.end()
    if _is_empty(attribute.type, bounds):
        raise InvalidInput(f"nothing is {' and '.join(f'{sign}{value}' for sign, value in bounds)}", "turn it round")
    return tuple(bounds)


def _comparison_hint(written: str) -> str:
    if "!" in written:
        return "write { not: [...] }"
    if written.startswith(("=>", "=<")):
        return f"write {written[1]}="
    if written.startswith("="):
        return "write the value alone"
    return 'write >=, <=, > or < before a value, such as ">=8.2.0 <9"'


def _is_empty(kind: AttributeType, bounds: list[tuple[str, Value]]) -> bool:
    lower = [(comparison_key(kind, value), sign == ">") for sign, value in bounds if sign[0] == ">"]
    upper = [(comparison_key(kind, value), sign == "<") for sign, value in bounds if sign[0] == "<"]
    return any(
        low > high or (low == high and (low_open or high_open))  # type: ignore[operator]
        for low, low_open in lower
        for high, high_open in upper
    )


_TESTS: dict[AttributeType, Callable[[Attribute, Node, Notes], Iterator[Test]]] = {
    AttributeType.STRING: _text_tests,
    AttributeType.BOOLEAN: _boolean_tests,
    **dict.fromkeys(ORDERED, _ordered_tests),
}
