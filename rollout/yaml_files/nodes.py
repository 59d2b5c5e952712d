"""YAML as a tree of words with their positions. Nothing is given a type here (`on`, `no` and `1.10` stay as written)
and nothing is expanded: anchors, aliases, tags, merge keys and duplicate keys are problems. The tree is built event by
event from libyaml, without recursion, and reading stops at once where a file is nested too deeply or holds too much.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import yaml

from rollout.yaml_files.notes import Notes
from rollout.yaml_files.source import Source
from rollout.yaml_files.syntax import MAX_DEPTH, TOO_DEEP, problem_of

MAX_VALUES = 5_000_000  # a file of 10,000 flags has 400,000

_CONTENT = re.compile(r"(?<![^\r\n])[ \t]*([^\s#])")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A word or a text. `source.text[start:end]` is how it is written, quotes and all."""

    text: str
    style: str  # "" plain, ' or " quoted, | or > block
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ListNode:
    items: tuple[Node, ...]
    start: int
    end: int  # of a block list: the end of its last item


@dataclass(frozen=True, slots=True)
class MapNode:
    entries: Mapping[str, tuple[Scalar, Node]]  # key -> (the key's own node, its value), in the order of the file
    start: int
    end: int

    def value(self, key: str) -> Node | None:
        entry = self.entries.get(key)
        return entry[1] if entry else None


Node: TypeAlias = Scalar | ListNode | MapNode


def parse(source: Source, notes: Notes, most: int = MAX_VALUES) -> Node | None:
    """The tree of a file. None where it cannot be read to its end, or is empty; `notes` then has the problem."""
    first = _CONTENT.search(source.text)
    if first and first[1] == "%":
        notes.error(first.start(1), "directives (%YAML, %TAG) are not used here", "take the line out")
        return None
    try:
        return _tree(source, notes, most)
    except _Unreadable as problem:
        notes.error(problem.index, problem.message, problem.hint)
    except yaml.YAMLError as error:
        notes.add(problem_of(error, source))
    return None


class _Unreadable(Exception):
    """Reading ends here."""

    def __init__(self, index: int, message: str, hint: str) -> None:
        super().__init__(message)
        self.index = index
        self.message = message
        self.hint = hint


def _tree(source: Source, notes: Notes, most: int) -> Node:
    stack: list[_Open] = [_OpenList(0, flow=True)]
    for count, event in enumerate(yaml.parse(source.text, Loader=yaml.CSafeLoader)):
        if isinstance(event, yaml.ScalarEvent):
            stack[-1].add(_scalar(event, notes), notes)
        elif isinstance(event, yaml.CollectionEndEvent):
            closed = stack.pop().closed(_end(event))
            stack[-1].add(closed, notes)
        elif isinstance(event, yaml.CollectionStartEvent):
            stack.append(_opened(event, notes, depth=len(stack)))
        elif isinstance(event, yaml.AliasEvent):
            raise _shared(event, f"aliases are not used here (*{shown(event.anchor or '')})")
        elif isinstance(event, yaml.DocumentEndEvent):
            _refuse_more(source, _end(event))
            break  # going on would let libyaml read directives, for which it takes quadratic time
        if count > most:
            raise _Unreadable(_start(event), f"the file has more than {most:,} values", "say less in it")
    return _root(stack[0].closed(len(source.text)))


def _root(document: Node) -> Node:
    if not isinstance(document, ListNode) or not document.items:
        raise _Unreadable(0, "the file is empty", "begin with: version: 1")
    return document.items[0]


def _scalar(event: yaml.ScalarEvent, notes: Notes) -> Scalar:
    node = Scalar(event.value, event.style or "", _start(event), _end(event))
    if event.anchor or event.tag:
        _refuse_properties(event, notes)
    if node.style == '"' and _CONTROL.search(node.text):
        notes.error(node, "an escape stands for a control character", "take it out")
    return node


def _opened(event: yaml.CollectionStartEvent, notes: Notes, depth: int) -> _Open:
    if event.anchor or event.tag:
        _refuse_properties(event, notes)
    if depth > MAX_DEPTH:
        raise _Unreadable(_start(event), *TOO_DEEP)
    kind = _OpenMap if isinstance(event, yaml.MappingStartEvent) else _OpenList
    return kind(_start(event), bool(event.flow_style))


def _refuse_properties(event: yaml.ScalarEvent | yaml.CollectionStartEvent, notes: Notes) -> None:
    if event.anchor:
        raise _shared(event, f"anchors are not used here (&{shown(event.anchor)})")
    tag = (event.tag or "").replace("tag:yaml.org,2002:", "!!")
    notes.error(_start(event), f"tags are not used here ({shown(tag)})", "take it out: types follow from the keys")


def _shared(event: yaml.NodeEvent, what: str) -> _Unreadable:
    return _Unreadable(_start(event), what, "write it out; stages are shared under 'plans:'")


def _refuse_more(source: Source, index: int) -> None:
    more = _CONTENT.search(source.text, index)
    if more:
        raise _Unreadable(more.start(1), "the file has a second document", "one file holds one: take the --- out")


def _start(event: yaml.Event) -> int:
    return event.start_mark.index  # type: ignore[union-attr]  # libyaml gives every event its marks


def _end(event: yaml.Event) -> int:
    return event.end_mark.index  # type: ignore[union-attr]


class _OpenList:
    """A list whose end has not come yet."""

    __slots__ = ("_flow", "_items", "_start")

    def __init__(self, start: int, flow: bool) -> None:
        self._start = start
        self._flow = flow
        self._items: list[Node] = []

    def add(self, node: Node, _notes: Notes) -> None:
        self._items.append(node)

    def closed(self, end: int) -> Node:
        return ListNode(tuple(self._items), self._start, end if self._flow else self._items[-1].end)


class _OpenMap:
    """A mapping whose end has not come yet. Keys and values come in turn."""

    __slots__ = ("_end", "_entries", "_flow", "_key", "_start")

    def __init__(self, start: int, flow: bool) -> None:
        self._start = start
        self._flow = flow
        self._entries: dict[str, tuple[Scalar, Node]] = {}
        self._key: Node | None = None
        self._end = start

    def add(self, node: Node, notes: Notes) -> None:
        key = self._key
        self._end = node.end
        if key is None:
            self._key = node
            return
        self._key = None
        if isinstance(key, Scalar) and _acceptable(key, self._entries, notes):
            self._entries[key.text] = (key, node)
        elif not isinstance(key, Scalar):
            notes.error(key, "a key that is a list or a mapping", "a key is a word")

    def closed(self, end: int) -> Node:
        return MapNode(self._entries, self._start, end if self._flow else self._end)


_Open: TypeAlias = _OpenList | _OpenMap


def _acceptable(key: Scalar, entries: Mapping[str, tuple[Scalar, Node]], notes: Notes) -> bool:
    if key.text in entries:
        line, _ = notes.source.position(entries[key.text][0].start)
        notes.error(key, f"'{shown(key.text)}' is here twice", f"it is on line {line} already")
        return False
    if key.text == "<<" and not key.style:
        notes.error(key, "merge keys (<<) are not used here", "write the keys out; stages are shared under 'plans:'")
        return False
    if not key.text:
        notes.error(key, "a key without a name", "write: name: value")
        return False
    return True


def shown(text: str) -> str:
    """Text of a file as messages quote it: on one line, and not too much."""
    line = " ".join(text[:1000].split())
    return line if len(line) <= 60 else line[:57] + "..."
