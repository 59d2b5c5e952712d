"""Reads what checks usually carry, much faster than Werkzeug's request does: short queries, small JSON bodies. What a
value means is left to the functions that the Flask views use; here is only remembered what they said of it. Whatever is
not usual raises Unusual, or the error that the view would raise: both mean that Flask shall answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from rollout.core.attributes import Attribute, AttributeType, Value
from rollout.core.context import MAX_ATTRIBUTES, MAX_TEXT, read_context
from rollout.core.flags import TARGETING_ATTRIBUTE
from rollout.web.evaluate import read_pairs
from rollout.web.ofrep import TARGETING_KEY, context_in
from rollout.web.reading import parse_json

REMEMBERED = 4096  # pairs such as country=IN, and what follows on who it is; there are few of most of them
LONGEST_REMEMBERED = 64  # characters
LONGEST_REST, MOST_OF_REST = 256, 30  # characters, attributes
FIRST = f"{TARGETING_ATTRIBUTE}="

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
        self._rests: dict[str, tuple[dict[str, Value], int]] = {}
        self._is_text = TARGETING_ATTRIBUTE in _that_count(attributes, believed)[AttributeType.STRING]
        by_kind = _that_count(attributes, believed)
        self._texts = by_kind[AttributeType.STRING]
        self._kept: dict[type, frozenset[str]] = {
            bool: by_kind[AttributeType.BOOLEAN],
            int: by_kind[AttributeType.NUMBER],
        }
        self._known: dict[str, set[str]] = {  # versions and times that were read before and found right
            name: set() for name in by_kind[AttributeType.VERSION] | by_kind[AttributeType.DATETIME]
        }

    def query(self, query: str) -> tuple[dict[str, Value], int]:
        """The context in a query as the server gave it, and how many attributes were ignored."""
        if self._is_text and query.startswith(FIRST):
            first, _, rest = query.partition("&")
            found = self._rests.get(rest) or self._read_rest(rest)
            who = first[len(FIRST) :]
            plain = who.isascii() and who.isprintable() and len(who) <= MAX_TEXT and "%" not in who and "+" not in who
            if found is not None and plain:
                return {**found[0], TARGETING_ATTRIBUTE: who}, found[1]
        return self._read_all(query)

    def _read_rest(self, rest: str) -> tuple[dict[str, Value], int] | None:
        """What follows on who it is, and comes again with others; None where it is long, or says who it is as well."""
        if len(rest) > LONGEST_REST or rest.count("&") > MOST_OF_REST or TARGETING_ATTRIBUTE in rest or "%" in rest:
            return None
        if len(self._rests) >= REMEMBERED:
            self._rests.clear()
        found = self._rests[rest] = self._read_all(rest)
        return found

    def _read_all(self, query: str) -> tuple[dict[str, Value], int]:
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
        document = orjson.loads(body)
        given = plain_context(document, body)
        if given is not None and self._are_right(given):
            key = given.pop(TARGETING_KEY, None)
            if key is not None and TARGETING_ATTRIBUTE not in given:
                given[TARGETING_ATTRIBUTE] = key
            return given, 0
        document = read_document(document, body)
        if not isinstance(document, dict):
            raise Unusual
        read = read_context(context_in(document), self.attributes, believed=self._believed)
        self._know(read[0])
        return read

    def _are_right(self, given: Mapping[str, Any]) -> bool:
        """Whether `read_context` would take these as they stand, and ignore none; some others are right as well."""
        texts, known, kept = self._texts, self._known, self._kept
        for name, value in given.items():
            if type(value) is str:
                if name in texts:
                    if value.isprintable() and len(value) <= MAX_TEXT:
                        continue
                elif name in known and value in known[name]:
                    continue
            elif name in kept.get(type(value), ()):
                continue
            return False
        return True

    def _know(self, context: Mapping[str, Value]) -> None:
        """What was read and found right is known by heart from now on."""
        for name in context.keys() & self._known.keys():
            if len(self._known[name]) >= REMEMBERED:
                self._known[name].clear()
            self._known[name].add(str(context[name]))

    def _read(self, pair: str) -> tuple[str, Value | None, int]:
        """The name, the value where it counts, and 1 for an attribute that nobody declared."""
        if "%" in pair or "+" in pair or not pair:
            name, text = _decoded(pair)
        else:
            name, _, text = pair.partition("=")
        if name == TARGETING_ATTRIBUTE and name in self._texts and text.isprintable() and len(text) <= MAX_TEXT:
            return name, text, 0  # the one that is new each time
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


def plain_context(document: Any, body: bytes) -> dict[str, Any] | None:
    """The context in what orjson read, where no name stood twice, nor a colon in a text, and nothing is beside it."""
    if type(document) is dict and len(document) == 1:
        context = document.get("context")
        # Each name is followed by a colon: as many colons as names that were read, and none of them stood twice.
        if type(context) is dict and body.count(b":") == len(context) + 1:
            return context
    return None


def read_document(document: Any, body: bytes) -> Any:
    """As `parse_json` reads it, from what orjson read where no value is a fraction or an object. Raises InvalidJson."""
    context = plain_context(document, body)
    if context is not None and EXACT.issuperset(map(type, context.values())):
        return document
    return parse_json(body)


def _that_count(attributes: Mapping[str, Attribute], believed: bool) -> Mapping[AttributeType, frozenset[str]]:
    """By type, the attributes of which the usual values stand as they are: none where more are declared than one may
    send, since somebody has to count those."""
    kinds = {TARGETING_ATTRIBUTE: AttributeType.STRING}
    kinds |= {one.name: one.type for one in attributes.values() if believed or not one.trusted}
    if TARGETING_ATTRIBUTE in attributes and not believed and attributes[TARGETING_ATTRIBUTE].trusted:
        del kinds[TARGETING_ATTRIBUTE]
    if kinds.get(TARGETING_ATTRIBUTE) is AttributeType.STRING:
        kinds[TARGETING_KEY] = AttributeType.STRING
    else:
        kinds.pop(TARGETING_KEY, None)
    if len(kinds) > MAX_ATTRIBUTES:
        kinds = {}
    return {kind: frozenset(name for name in kinds if kinds[name] is kind) for kind in AttributeType}
