"""Reading what a program passes with a question, as the server reads what comes over HTTP, with the same refusals. What
is right already, which is nearly everything, is told at a glance and used as it stands; the rest is read carefully.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from rollout.core.attributes import Attribute, AttributeType, Value
from rollout.core.context import MAX_ATTRIBUTES, MAX_TEXT, read_context
from rollout.core.flags import TARGETING_ATTRIBUTE

MOST_KNOWN = 4096
"""Versions and times known to be right, for each attribute. A fleet runs few versions of an app."""

EXACT = 2**53


@dataclass(frozen=True, slots=True)
class Reader:
    attributes: Mapping[str, Attribute]
    kinds: Mapping[str, AttributeType]
    texts: frozenset[str]  # those for which any printable text is right
    known: Mapping[str, set[str]]  # versions and times that were read before and found right

    def are_right(self, given: Mapping[str, Any]) -> bool:
        """Whether `read` would take them as they stand. Of others some are right as well; raises KeyError for some that
        are wrong."""
        texts, known, kinds = self.texts, self.known, self.kinds
        for name, value in given.items():
            if type(value) is str:
                if name in texts:
                    if value.isprintable() and len(value) <= MAX_TEXT:
                        continue
                elif value in known[name]:
                    continue
            elif IS_RIGHT[kinds[name]](value):
                continue
            return False
        return True

    def read(self, given: Mapping[str, Any]) -> Mapping[str, Value]:
        """Raises InvalidInput for a declared attribute with a value of another type, and for too much of it all."""
        try:
            if self.are_right(given):
                return given
        except KeyError:  # an attribute that nobody declared, or one of text with something else
            pass
        return self._carefully(given)

    def _carefully(self, given: Mapping[str, object]) -> Mapping[str, Value]:
        context, _ = read_context({name: _plain(value) for name, value in given.items()}, self.attributes)
        for name in context.keys() & self.known.keys():
            if len(self.known[name]) >= MOST_KNOWN:
                self.known[name].clear()
            self.known[name].add(str(context[name]))
        return context


def reader_of(attributes: Mapping[str, Attribute]) -> Reader:
    if len(attributes) >= MAX_ATTRIBUTES:  # a question may have too many without one that is unknown, so: carefully
        return Reader(attributes, {}, frozenset(), {})
    kinds = {TARGETING_ATTRIBUTE: AttributeType.STRING} | {one.name: one.type for one in attributes.values()}
    texts = frozenset(name for name, kind in kinds.items() if kind is AttributeType.STRING)
    known = {
        name: set[str]() for name, kind in kinds.items() if kind in (AttributeType.VERSION, AttributeType.DATETIME)
    }
    return Reader(attributes, kinds, texts, known)


def is_number(value: Any) -> bool:
    return type(value) in (int, float) and -EXACT <= value <= EXACT


IS_RIGHT: Mapping[AttributeType, Callable[[Any], bool]] = {
    AttributeType.BOOLEAN: lambda value: value is True or value is False,
    AttributeType.NUMBER: is_number,
}
"""Whether a value that is no text is right as it stands. Of what says no, some is right all the same."""


def _plain(value: object) -> object:
    """As JSON would carry it: enumerations and other kinds of text are text, dates are written out."""
    if isinstance(value, str):
        return str.__str__(value)
    return value.isoformat() if isinstance(value, date) else value
