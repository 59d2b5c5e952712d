"""Reads member lists: UTF-8 text with one targeting key a line, where empty lines and lines that begin with # say
nothing. The list travels packed under its digest, apart from the segment that names it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import PurePath, PurePosixPath, PureWindowsPath

from rollout.core.errors import InvalidInput, Problem
from rollout.core.members import digest_of, pack_members
from rollout.core.segments import MemberList
from rollout.yaml_files.nodes import Node, shown
from rollout.yaml_files.notes import Notes
from rollout.yaml_files.scalars import scalar
from rollout.yaml_files.source import LONGEST_SHOWN

MAX_KEYS = 1_000_000
MAX_KEY_BYTES = 1_024
MAX_LIST_BYTES = 200_000_000
MAX_PROBLEMS = 20  # of one list; a file of another kind has one on every line

_PADDING = " \t\r"
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_SURELY_SHORT = MAX_KEY_BYTES // 4  # characters that never take more bytes than a key may


@dataclass(slots=True)
class MemberFiles:
    """Loads each list once, however many segments name it."""

    load: Callable[[str], bytes]
    packed: dict[str, bytes] = field(default_factory=dict)  # digest -> packed list
    _lists: dict[str, MemberList | None] = field(default_factory=dict)

    def read(self, node: Node, notes: Notes) -> MemberList | None:
        """The list that is named here. None where it has problems, which `notes` then has."""
        file = notes.attempt(relative_path, node, None)
        if file is None:
            return None
        if file not in self._lists:
            self._lists[file] = self._load(file, node, notes)
        return self._lists[file]

    def _load(self, file: str, node: Node, notes: Notes) -> MemberList | None:
        try:
            content = self.load(file)
        except OSError as error:
            notes.error(
                node,
                f"cannot read '{shown(file)}': {error.strerror or error}",
                "members stand in a file beside this one",
            )
            return None
        except InvalidInput as error:
            notes.error(node, error.message, error.hint)
            return None
        return self._pack(file, content, node, notes)

    def _pack(self, file: str, content: bytes, node: Node, notes: Notes) -> MemberList | None:
        text = notes.attempt(lambda _: _decoded(file, content), node, None)
        if text is None:
            return None
        keys = _keys(text)
        if not _acceptable(keys):
            problems = _problems(text, str(PurePath(notes.source.name).parent / file))
            for problem in islice(problems, MAX_PROBLEMS):
                notes.add(problem)
            return None
        if len(keys) > MAX_KEYS:
            notes.error(node, f"'{shown(file)}' has {len(keys):,} keys", f"a list has at most {MAX_KEYS:,}")
            return None
        if not keys:
            notes.warn(node, f"'{shown(file)}' has no members")
        distinct = set(keys)
        packed = pack_members(distinct)
        digest = digest_of(packed)
        self.packed[digest] = packed
        return MemberList(file, digest, len(distinct))


def relative_path(node: Node) -> str:
    """A path below the flags file's own folder, whatever the system: no absolute ones and no `..`."""
    written = scalar(node).text
    path = PurePosixPath(written)
    if not written.strip() or "\0" in written or "\\" in written:
        raise InvalidInput(f"'{shown(written)}' is not a path", "write a file's name, such as employees.txt")
    if path.is_absolute() or PureWindowsPath(written).drive or ".." in path.parts:
        raise InvalidInput(f"'{shown(written)}' leads out of the folder of this file", "put the list beside this file")
    return written


def _decoded(file: str, content: bytes) -> str:
    if len(content) > MAX_LIST_BYTES:
        raise InvalidInput(f"'{shown(file)}' has more than {MAX_LIST_BYTES // 1_000_000} MB", "split the list")
    try:
        return content.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidInput(f"'{shown(file)}' is not UTF-8 on line {line:,}", "save it as UTF-8") from None


def _keys(text: str) -> list[str]:
    return [key for line in text.split("\n") if (key := line.strip(_PADDING)) and key[0] != "#"]


def _acceptable(keys: list[str]) -> bool:
    return not _CONTROL.search("\n".join(keys)) and all(len(key) <= _SURELY_SHORT or _fits(key) for key in keys)


def _fits(key: str) -> bool:
    return len(key.encode()) <= MAX_KEY_BYTES


def _problems(text: str, name: str) -> Iterator[Problem]:
    """What is wrong in a list, line by line. Slow, and only called where something is."""
    for number, line in enumerate(text.split("\n"), 1):
        key = line.strip(_PADDING)
        if not key or key[0] == "#":
            continue
        found = _CONTROL.search(key)
        if found:
            column = line.index(key) + found.start() + 1
            said = f"the control character U+{ord(found[0]):04X} in a key"
            yield Problem(name, number, column, said, "write one key a line", line[:LONGEST_SHOWN])
        elif not _fits(key):
            said = f"a key of more than {MAX_KEY_BYTES:,} bytes"
            yield Problem(name, number, 1, said, "write one key a line", line[:LONGEST_SHOWN])
