"""Reads what checks usually carry, much faster than Werkzeug's request does: short queries, small JSON bodies. What a
value means is left to the functions that the Flask views use; here is only remembered what they said of it. Whatever is
not usual raises Unusual, or the error that the view would raise: both mean that Flask shall answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from rollout.core.attributes import Attribute, Value
from rollout.core.context import MAX_ATTRIBUTES, read_context
from rollout.core.flags import TARGETING_ATTRIBUTE
from rollout.web.evaluate import read_pairs
from rollout.web.ofrep import context_in
from rollout.web.reading import parse_json

REMEMBERED = 4096  # pairs such as country=IN; there are few of most of them
LONGEST_REMEMBERED = 64  # characters

EXACT = frozenset({str, bool, int, type(None)})
"""Types of which orjson reads the very values that the standard library does, when no larger than 64 bits."""


class Unusual(Exception):
    """Not read here."""


class UsualReader:
    """For one set of declared attributes, of callers who are `believed` on trusted ones or not. Used by one thread."""

    def __init__(self, attributes: Mapping[str, Attribute], *, believed: bool) -> None:
        self.attributes = attributes
        self._believed = believed
        self._pairs: dict[str, tuple[str, Value | None, int]] = {}

    def query(self, query: str) -> tuple[dict[str, Value], int]:
        """The context in a query as the server gave it, and how many attributes were ignored."""
        if not query:
            return {}, 0
        if not query.isascii() or query.count("&") >= MAX_ATTRIBUTES:
            raise Unusual
        context: dict[str, Value] = {}
        others: list[str] = []
        ignored = 0
        pairs = self._pairs
        for pair in query.split("&"):
            name, value, undeclared = pairs.get(pair) or self._read(pair)
            ignored += undeclared
            if value is None:
                others.append(name)
            elif name in context:
                raise Unusual
            else:
                context[name] = value
        if len(others) > 1 and len(set(others)) < len(others):
            raise Unusual
        return context, ignored

    def body(self, body: bytes) -> tuple[dict[str, Value], int]:
        """The same of OFREP's request."""
        document = read_document(body)
        if not isinstance(document, dict):
            raise Unusual
        return read_context(context_in(document), self.attributes, believed=self._believed)

    def _read(self, pair: str) -> tuple[str, Value | None, int]:
        """The name, the value where it counts, and 1 for an attribute that nobody declared."""
        if "%" in pair or "+" in pair or not pair:
            name, text = _decoded(pair)
        else:
            name, _, text = pair.partition("=")
        context, ignored = read_context({name: text}, self.attributes, believed=self._believed)
        read = (name, context.get(name), ignored)
        if name != TARGETING_ATTRIBUTE and len(pair) <= LONGEST_REMEMBERED:
            self._remember(pair, read)
        return read

    def _remember(self, pair: str, read: tuple[str, Value | None, int]) -> None:
        if len(self._pairs) >= REMEMBERED:
            self._pairs.clear()
        self._pairs[pair] = read


def _decoded(pair: str) -> tuple[str, str]:
    pairs = read_pairs(pair.encode())
    if not pairs:
        raise Unusual
    return pairs[0]


def read_document(body: bytes) -> Any:
    """As `parse_json` reads it, in a sixth of the time where no value is a fraction or an object and no text has a
    colon. Raises ValueError as orjson does, or InvalidJson."""
    document = orjson.loads(body)
    if type(document) is dict and len(document) == 1:
        context = document.get("context")
        # Each name is followed by a colon: as many colons as names that were read, and none of them stood twice.
        if (
            type(context) is dict
            and body.count(b":") == len(context) + 1
            and EXACT.issuperset(map(type, context.values()))
        ):
            return document
    return parse_json(body)
