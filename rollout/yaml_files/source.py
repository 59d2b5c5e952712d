"""The text of a file, and where in it something is. An index counts characters (of the text without a byte order mark),
lines and columns begin at 1, and a line ends where YAML says it does: \\n, \\r\\n or \\r.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

from rollout.core.errors import InvalidFile, Problem

MAX_BYTES = 50_000_000
LONGEST_SHOWN = 2_000  # characters of a line that travel with a problem
LONGEST_TOLD = 500

_LINE_END = re.compile(r"\r\n|\r|\n")
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


@dataclass(frozen=True)
class Source:
    name: str
    text: str

    @cached_property
    def line_starts(self) -> list[int]:
        return [0, *(found.end() for found in _LINE_END.finditer(self.text))]

    def position(self, index: int) -> tuple[int, int]:
        """Line and column, both from 1."""
        line = bisect_right(self.line_starts, index)
        return line, index - self.line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The line without its end; only its beginning where it is very long."""
        start = self.line_starts[number - 1]
        end = self.line_starts[number] if number < len(self.line_starts) else len(self.text)
        return self.text[start : min(end, start + LONGEST_SHOWN)].rstrip("\r\n")

    def problem(self, index: int, message: str, hint: str | None = None, severity: str = "error") -> Problem:
        line, column = self.position(index)
        return Problem(self.name, line, column, _told(message), hint and _told(hint), self.line(line), severity)


def _told(text: str) -> str:
    """On one line, of characters that can be seen, and not without end: it may quote the file."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text[:LONGEST_TOLD])


def source_of(content: str | bytes, name: str) -> Source:
    """The text of these bytes. Raises InvalidFile when it is too long, not UTF-8, or has characters nobody can see."""
    text = content if isinstance(content, str) else _decoded(content, name)
    if len(text) > MAX_BYTES:
        raise _too_long(name)
    source = Source(name, text.removeprefix("\ufeff"))
    hidden = _UNPRINTABLE.search(source.text)
    if hidden:
        raise InvalidFile((_hidden(source, hidden),))
    return source


def _decoded(content: bytes, name: str) -> str:
    if len(content) > MAX_BYTES:
        raise _too_long(name)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        good = Source(name, content[: error.start].decode().removeprefix("\ufeff"))
        said = f"the byte 0x{content[error.start]:02x} is not UTF-8"
        raise InvalidFile((good.problem(len(good.text), said, "save the file as UTF-8"),)) from None


def _too_long(name: str) -> InvalidFile:
    said = f"the file has more than {MAX_BYTES // 1_000_000} MB"
    return InvalidFile((Problem(name, 1, 1, said, "put long lists of people into member files"),))


def _hidden(source: Source, found: re.Match[str]) -> Problem:
    return source.problem(found.start(), f"the invisible character U+{ord(found[0]):04X}", "take it out")
