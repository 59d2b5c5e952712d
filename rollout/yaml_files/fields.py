"""Reads mappings key by key: unknown keys are problems with a hint, keys that are missing are problems where they
should have been, and what one key holds wrongly does not stop the others from being read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TypeVar

from rollout.core.errors import InvalidInput
from rollout.yaml_files.hints import Vocabulary, did_you_mean
from rollout.yaml_files.nodes import ListNode, MapNode, Node, Scalar, shown
from rollout.yaml_files.notes import Located, Notes
from rollout.yaml_files.scalars import is_null, kind_of, scalar

T = TypeVar("T")
D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Fields:
    """The keys of one mapping. `at` is where it is talked about when one of them is missing."""

    node: MapNode
    vocabulary: Vocabulary
    at: Located
    notes: Notes
    excused: frozenset[str] = frozenset()  # keys that were meant by a wrong word: one slip is one problem

    def __contains__(self, key: str) -> bool:
        return key in self.node.entries

    def value(self, key: str) -> Node | None:
        return self.node.value(key)

    def place(self, key: str) -> Located:
        """Where the key stands, or should."""
        entry = self.node.entries.get(key)
        return entry[0] if entry else self.at

    def read(self, key: str, read: Callable[[Node], T], default: D) -> T | D:
        node = self.node.value(key)
        return default if node is None else self.notes.attempt(read, node, default)

    def required(self, key: str, read: Callable[[Node], T], default: D, hint: str | None = None) -> T | D:
        self.need((key,), hint)
        return self.read(key, read, default)

    def need(self, keys: tuple[str, ...], hint: str | None = None) -> None:
        """At least one of these keys has to be there."""
        if not any(key in self or key in self.excused for key in keys):
            quoted = [f"'{key}'" for key in keys]
            listed = f"{', '.join(quoted[:-1])} or {quoted[-1]}" if len(keys) > 1 else quoted[0]
            self.notes.error(self.at, f"{self.vocabulary.kind} needs {listed}", hint)

    def at_most_one(self, keys: tuple[str, ...], hint: str) -> None:
        """No two of these keys may be there. The second is the problem."""
        there = [key for key in self.node.entries if key in keys]
        if len(there) > 1:
            self.notes.error(self.place(there[1]), f"both '{there[0]}' and '{there[1]}'", hint)

    def list_of(self, key: str, read: Callable[[Node], T], *, some: bool = False) -> tuple[T, ...]:
        """The items of a list of words, none twice; `some`: at least one."""
        node = self.node.value(key)
        return () if node is None else distinct(node, read, key, self.notes, some=some)


def fields_of(node: Node, vocabulary: Vocabulary, at: Located, notes: Notes) -> Fields:
    """The keys of a mapping. Where the node is no mapping that is the problem, and no key of it is missing."""
    if not isinstance(node, MapNode):
        hint = vocabulary.instead or f"its keys: {', '.join(vocabulary.keys)}"
        notes.error(node, f"{vocabulary.kind} is a mapping, not {_a(node)}", hint)
        return Fields(MapNode({}, node.start, node.end), vocabulary, at, notes, frozenset(vocabulary.keys))
    unknown = [word for key, (word, _) in node.entries.items() if key not in vocabulary.keys]
    for word in unknown:
        notes.error(word, f"{vocabulary.kind} has no key '{shown(word.text)}'", vocabulary.hint(word.text))
    excused = frozenset(vocabulary.meant(word.text) or "" for word in unknown)
    return Fields(node, vocabulary, at, notes, excused)


def entries(node: Node | None, what: str, notes: Notes) -> Iterator[tuple[Scalar, Node]]:
    """Names and what they stand for, of a mapping such as `segments:`."""
    if isinstance(node, MapNode):
        yield from node.entries.values()
    elif node is not None:
        hint = f"write '{what}: {{}}' where there are none" if is_null(node) else "write: name: {...}"
        notes.error(node, f"'{what}' is a mapping of names, not {_a(node)}", hint)


def items(node: Node, what: str, notes: Notes, *, some: bool) -> tuple[Node, ...]:
    """The items of a list; `some`: there must be one."""
    if not isinstance(node, ListNode):
        hint = f"write [{shown(node.text)}]" if isinstance(node, Scalar) and not is_null(node) else "begin with '- '"
        notes.error(node, f"'{what}' is a list, not {_a(node)}", hint)
        return ()
    if some and not node.items:
        notes.error(node, f"'{what}' is empty", "list something, or take it out")
    return node.items


def distinct(node: Node, read: Callable[[Node], T], what: str, notes: Notes, *, some: bool) -> tuple[T, ...]:
    """The items of a list, each read on its own. One that is there twice is a problem."""
    found: dict[T, None] = {}
    for item in items(node, what, notes, some=some):
        value = notes.attempt(read, item, None)
        if value is None:
            continue
        if value in found:
            notes.error(item, f"'{value}' is listed twice", "take one out")
        found[value] = None
    return tuple(found)


def one_of(choices: Collection[str]) -> Callable[[Node], str]:
    """A reader of one word out of these."""

    def read(node: Node) -> str:
        word = scalar(node).text
        if word not in choices:
            raise InvalidInput(f"'{shown(word)}' is not known here", did_you_mean(word, choices))
        return word

    return read


def _a(node: Node) -> str:
    kind = kind_of(node)
    return kind if kind in ("nothing", "text") else f"a {kind}"
