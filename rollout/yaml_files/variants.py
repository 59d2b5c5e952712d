"""Reads what a flag is worth: its variants, all of one type, and which of them is served to whom (`on`, `off`, `split`,
and the `serve` of a rule).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from rollout.core.errors import InvalidInput
from rollout.core.flags import BOOLEAN_VARIANTS, Serving, Split, ValueType, VariantValue
from rollout.core.shares import Share
from rollout.yaml_files.fields import Fields
from rollout.yaml_files.nodes import ListNode, MapNode, Node, Scalar, shown
from rollout.yaml_files.notes import Notes
from rollout.yaml_files.scalars import core_value, is_null, name, scalar, share

MAX_VALUE_BYTES = 65_536

_TYPES: dict[type, ValueType] = {
    bool: ValueType.BOOLEAN,
    str: ValueType.STRING,
    int: ValueType.INTEGER,
    float: ValueType.FLOAT,
    dict: ValueType.OBJECT,
}


@dataclass(frozen=True, slots=True)
class Variants:
    """The variants of one flag. `names` has also those whose value has a problem."""

    type: ValueType | None  # None: no value can be made out
    values: Mapping[str, VariantValue]
    names: tuple[str, ...]
    notes: Notes

    def named(self, node: Node) -> str:
        """A reader of a variant's name."""
        word = scalar(node).text
        if word in self.names:
            return word
        meant = {"true": "on", "false": "off"}.get(word.casefold())
        hint = f"write {meant}" if meant in self.names else self.notes.suggest(word, self.names)
        raise InvalidInput(f"no variant called '{shown(word)}'", hint)


def read_variants(flag: Fields, path: str) -> Variants:
    node = flag.value("variants")
    if node is None:
        return Variants(ValueType.BOOLEAN, dict(BOOLEAN_VARIANTS), tuple(BOOLEAN_VARIANTS), flag.notes)
    if not isinstance(node, MapNode) or not node.entries:
        flag.notes.error(
            node, "'variants' is a mapping of names to values", "write: variants: { small: 10, large: 50 }"
        )
        return Variants(None, {}, (), flag.notes)
    return _own_variants(node, path, flag.notes)


def _own_variants(node: MapNode, path: str, notes: Notes) -> Variants:
    values: dict[str, VariantValue] = {}
    first: ValueType | None = None
    for key, value_node in node.entries.values():
        notes.attempt(name, key, None)
        notes.place(f"{path}.variants.{key.text}", key)
        value = notes.attempt(_variant_value, value_node, None)
        if value is None:
            continue
        kind = _TYPES[type(value)]
        first = first or kind
        if kind is first:
            values[key.text] = value
        else:
            notes.error(value_node, f"{_a(kind)} among variants of type {first}", _mixed_hint(first, kind))
    return Variants(first, values, tuple(node.entries), notes)


def _a(kind: ValueType) -> str:
    return f"an {kind}" if kind[0] in "aeio" else f"a {kind}"


def _mixed_hint(first: ValueType, kind: ValueType) -> str:
    if {first, kind} == {ValueType.INTEGER, ValueType.FLOAT}:
        return "write a point in each, such as 1.0"
    return "all variants of a flag have one type"


def _variant_value(node: Node) -> VariantValue:
    if isinstance(node, ListNode):
        raise InvalidInput("a list is not a variant's value", "put it into a mapping: { items: [...] }")
    if is_null(node):
        raise InvalidInput("a variant without a value", "give it one, or take it out and write 'off: null'")
    value: VariantValue = plain_value(node)
    if len(json.dumps(value, ensure_ascii=False).encode()) > MAX_VALUE_BYTES:
        raise InvalidInput(f"a value of more than {MAX_VALUE_BYTES // 1024} KiB", "serve a key to it instead")
    return value


def plain_value(node: Node) -> Any:
    """What JSON would call this: mappings, lists, and words as YAML 1.2's core schema reads them."""
    if isinstance(node, Scalar):
        return core_value(node)
    if isinstance(node, ListNode):
        return [plain_value(item) for item in node.items]
    return {key: plain_value(value) for key, (_, value) in node.entries.items()}


def read_off(flag: Fields, variants: Variants) -> str | None:
    node = flag.value("off")
    if node is not None:
        return flag.read("off", lambda word: _variant_or_none(word, variants), None)
    if variants.type is not ValueType.BOOLEAN:
        return None
    if "off" not in variants.names and variants.names:
        flag.notes.error(
            flag.at, "'off' is not said", f"write 'off: {variants.names[-1]}', or 'off: null' for no value"
        )
    return "off"


def _variant_or_none(node: Node, variants: Variants) -> str | None:
    if isinstance(node, Scalar) and not node.style and node.text in ("null", "~"):
        return None
    return variants.named(node)


def read_on(flag: Fields, variants: Variants) -> Serving:
    """The variant, or the split, of those who have the flag."""
    flag.at_most_one(("on", "split"), "take one of them out")
    if "split" in flag:
        return _split(flag, variants)
    by_default = variants.type is ValueType.BOOLEAN and "on" in variants.names
    if "on" not in flag and variants.type and not by_default:
        hint = f"such as on: {variants.names[-1]}"
        flag.notes.error(flag.place("variants"), "a flag with variants of its own needs 'on' or 'split'", hint)
    return flag.read("on", variants.named, "on")


def read_serve(rule: Fields, variants: Variants) -> Serving:
    """What a rule serves."""
    rule.at_most_one(("serve", "split"), "take one of them out")
    if "split" in rule:
        return _split(rule, variants)
    return rule.required("serve", variants.named, "", "a variant, such as serve: on")


def _split(fields: Fields, variants: Variants) -> Serving:
    node = fields.value("split")
    if not isinstance(node, MapNode) or not node.entries:
        fields.notes.error(
            fields.place("split"), "'split' is a mapping of variants to percentages", "{ a: 50%, b: 50% }"
        )
        return ""
    shares = [_part(key, value, variants) for key, value in node.entries.values()]
    parts = tuple(part for part in shares if part)
    total = sum((part.percent for _, part in parts), Fraction(0))
    if len(parts) == len(shares) and total != 100:
        said = f"the parts of the split add up to {Share(total)}"
        fields.notes.error(fields.place("split"), said, "they have to add up to 100%")
    return Split(parts)


def _part(key: Scalar, node: Node, variants: Variants) -> tuple[str, Share] | None:
    variant = variants.notes.attempt(variants.named, key, None)
    part = variants.notes.attempt(share, node, None)
    return (variant, part) if variant and part else None
