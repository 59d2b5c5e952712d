"""The chain of audit entries: each names the hash of the one before, so that nothing can be changed, left out or put in
between without changing all that follow. An entry's hash is `SHA-256("rollout-audit:v1\n" + its line)`; the first entry
names the Merkle root of what was written before there was a chain: nothing, or what an earlier release left.

An entry's place is its revision and, among what was noted at that revision without changing anything, its number: 57,
57.1, 57.2, 58. `Chain` is what a reader needs to remember to follow on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from rollout.core.audit import canonical_line
from rollout.core.errors import InvalidInput
from rollout.core.merkle import EMPTY, Frontier, leaf_hash

PREFIX = b"rollout-audit:v1\n"

Place: TypeAlias = tuple[int, int]
"""Revision, and the number of the note at it; 0 is the change itself."""


class BrokenChain(Exception):
    """`place` is the first entry that is not as it was written; None where it cannot be told."""

    def __init__(self, place: Place | None, what: str) -> None:
        super().__init__(what if place is None else f"entry {place_text(place)} {what}")
        self.place = place


@dataclass(frozen=True, slots=True)
class Chain:
    """What has been read: how it ends, and the tree of all its lines."""

    place: Place = (0, 0)
    at: str = ""
    hash: str = ""  # of the last entry; "" where no entry was chained yet
    tree: Frontier = EMPTY

    @property
    def size(self) -> int:
        return self.tree.size

    @property
    def root(self) -> str:
        return self.tree.root().hex()

    @property
    def next_previous(self) -> str:
        """What the next entry names as the hash before it."""
        return self.hash or self.root

    def plus(self, line: bytes) -> Chain:
        """With one more line. Raises BrokenChain where it does not follow."""
        entry = _entry(line, self.place)
        place = place_of(entry)
        if place not in next_places(self.place):
            raise BrokenChain(place, f"follows {place_text(self.place)}: {_misplaced(place, self.place)}")
        self._check_link(entry, place)
        if entry["at"] < self.at:
            raise BrokenChain(place, f"is of {entry['at']}, earlier than the one before it, of {self.at}")
        hashed = entry_hash(line) if "previous" in entry else ""
        return Chain(place, entry["at"], hashed, self.tree.plus([leaf_hash(line)]))

    def _check_link(self, entry: dict[str, Any], place: Place) -> None:
        named = entry.get("previous")
        if named is None:
            if self.hash:
                raise BrokenChain(place, "names no entry before it, although the chain had begun")
            return
        if named == self.next_previous:
            return
        if self.size == 0:
            raise BrokenChain(place, f"is the first, and names {named[:12]} as the hash before it")
        raise BrokenChain(
            self.place,
            f"is not what entry {place_text(place)} follows: it was changed, or notes after it are missing (its hash "
            f"is {self.next_previous[:12]}, and {named[:12]} is named)",
        )


def entry_hash(line: bytes) -> str:
    return hashlib.sha256(PREFIX + line).hexdigest()


def follow(lines: Iterable[bytes], chain: Chain | None = None) -> Chain:
    """The chain after these lines. Raises BrokenChain at the first that does not follow."""
    chain = chain or Chain()
    for line in lines:
        chain = chain.plus(line)
    return chain


def place_of(entry: Mapping[str, Any]) -> Place:
    return entry["revision"], entry.get("note", 0)


def place_text(place: Place) -> str:
    revision, note = place
    return f"{revision}.{note}" if note else str(revision)


def read_place(text: str) -> Place:
    """Raises InvalidInput."""
    revision, _, note = text.partition(".")
    if not all(part.isascii() and part.isdigit() and len(part) < 17 for part in (revision, note or "0")):
        raise InvalidInput(f"{text[:40]!r} is no place in the audit", "write a revision, or a note at it as 57.2")
    return int(revision), int(note or 0)


def next_places(place: Place) -> tuple[Place, Place]:
    """The next change, and the next note before it."""
    revision, note = place
    return (revision + 1, 0), (revision, note + 1)


def _entry(line: bytes, after: Place) -> dict[str, Any]:
    """A line as an entry that has all that the chain needs, and is written in the one way there is."""
    try:
        entry = json.loads(line)
        sound = isinstance(entry["revision"], int) and isinstance(entry.get("note", 0), int)
        sound = sound and isinstance(entry["at"], str) and isinstance(entry.get("previous", ""), str)
        sound = sound and canonical_line(entry) == line
    except (ValueError, TypeError, KeyError, RecursionError):
        sound = False
    if not sound:
        raise BrokenChain(None, f"what follows entry {place_text(after)} is not an entry as the service writes it")
    return entry  # type: ignore[no-any-return]


def _misplaced(place: Place, before: Place) -> str:
    return "entries are missing between" if place > before else "it is out of order, or there twice"
