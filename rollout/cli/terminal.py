"""Writing for people and for pipes. On a terminal a table is aligned and coloured; in a pipe it is tab-separated with a
header line, and stays so. Whatever is written goes through `safe`: no text that somebody put into a flag, a reason or
an error can move the cursor, hide a line or break a table.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO, TypeAlias


@dataclass(frozen=True, slots=True)
class Styled:
    text: str
    style: str  # a key of STYLES


Part: TypeAlias = str | Styled
Cell: TypeAlias = Part

STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "strong red": "1;31"}

# C0, DEL, C1, line and paragraph separators, what turns the direction of text, what is invisible, lone surrogates.
# Not U+200C and U+200D, which join letters in Hindi and its neighbours.
_DANGEROUS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")

# For terminals that cannot show them. Everything else that they cannot show is written as \u2026 is.
_PLAIN = str.maketrans(
    {"✓": "+", "✗": "x", "–": "-", "—": "-", "→": "->", "…": "...", "×": "x", "●": "*", "○": "o", "▶": ">", "‖": "="}
)
_SYMBOLS = "✓✗–→…●○▶‖"

GAP = "  "
NARROWEST = 10  # a column is never made narrower than this


def safe(text: str) -> str:
    r"""The text with every character that is not plainly visible written out: "\x1b[2J"."""
    return _DANGEROUS.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), text)


def stdout() -> Terminal:
    return Terminal(sys.stdout)


def stderr() -> Terminal:
    return Terminal(sys.stderr)


class Terminal:
    """A stream, and what it can show."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._encoding = stream.encoding or "utf-8"
        self._symbols = _can_encode(_SYMBOLS, self._encoding)
        self.is_terminal = stream.isatty()
        self._colour = self.is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def line(self, *parts: Part) -> None:
        """Parts one after the other; a Styled one in its style where there is colour."""
        self._write("".join(self._shown(part) for part in parts).rstrip(" ") + "\n")

    def prompt(self, text: str) -> None:
        self._write(self._shown(text))
        self.flush()

    def flush(self) -> None:
        self._stream.flush()

    def json(self, document: Mapping[str, Any]) -> None:
        """Printable ASCII alone, so that it is safe on every terminal and in every encoding."""
        self._write(json.dumps(document, indent=2).replace("\x7f", "\\u007f") + "\n")

    def raw(self, text: str) -> None:
        """What a Terminal has rendered already, or is safe by its kind."""
        self._write(text)

    def json_line(self, document: Mapping[str, Any]) -> None:
        """One of many documents, each on its line."""
        self._write(json.dumps(document).replace("\x7f", "\\u007f") + "\n")

    def table(self, header: Sequence[str], rows: Sequence[Sequence[Cell]], dispensable: Sequence[str] = ()) -> None:
        """Cells without anything to say are "-" on a terminal and empty in a pipe. On a narrow terminal `dispensable`
        columns are left out, in this order, as far as is needed."""
        if self.is_terminal:
            titles: list[Cell] = [Styled(title.upper(), "bold") for title in header]
            dashed = [[cell if text_of(cell) else "-" for cell in row] for row in rows]
            self.aligned(_without(dispensable, header, [titles, *dashed]))
            return
        self.fields(header)
        for row in rows:
            self.fields(row)

    def fields(self, cells: Sequence[Cell]) -> None:
        """One line of tab-separated values."""
        self._write("\t".join(self._encodable(safe(text_of(cell))) for cell in cells) + "\n")

    def aligned(self, rows: Sequence[Sequence[Cell]], *, whole: bool = False) -> None:
        """`whole`: no text is cut, whatever the terminal then makes of lines that are too long."""
        widths = _widths(rows) if whole else _fitting(_widths(rows))
        for row in rows:
            self.line(*(part for cell, width in zip(row, widths, strict=True) for part in _padded(cell, width)))

    def _shown(self, part: Part) -> str:
        text = self._encodable(safe(text_of(part)))
        if not self._colour or isinstance(part, str):
            return text
        return f"\x1b[{STYLES[part.style]}m{text}\x1b[0m"

    def _encodable(self, text: str) -> str:
        plain = text if self._symbols else text.translate(_PLAIN)
        return plain.encode(self._encoding, "backslashreplace").decode(self._encoding)

    def _write(self, text: str) -> None:
        self._stream.write(text)


def text_of(part: Part) -> str:
    return part if isinstance(part, str) else part.text


def _can_encode(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _width(cell: Cell) -> int:
    """Columns on a terminal: two for a wide character, none for one that joins the last."""
    text = safe(text_of(cell))
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _widths(rows: Sequence[Sequence[Cell]]) -> list[int]:
    return [max(_width(cell) for cell in column) for column in zip(*rows, strict=True)]


def _room(columns: int) -> int:
    return shutil.get_terminal_size().columns - len(GAP) * (columns - 1)


def _without(
    dispensable: Sequence[str], header: Sequence[str], rows: Sequence[Sequence[Cell]]
) -> Sequence[Sequence[Cell]]:
    names = list(header)
    for name in dispensable:
        if sum(_widths(rows)) <= _room(len(names)):
            break
        place = names.index(name)
        names.pop(place)
        rows = [[*row[:place], *row[place + 1 :]] for row in rows]
    return rows


def _fitting(widths: list[int]) -> list[int]:
    """The widths, the widest made narrower until the table fits the terminal. Never the first: a name is whole."""
    first, *others = widths
    room = _room(len(widths)) - first
    while sum(others) > room and max(others) > NARROWEST:
        others[others.index(max(others))] -= 1
    return [first, *others]


def _padded(cell: Cell, width: int) -> tuple[Cell, str]:
    text = safe(text_of(cell))
    if _width(text) > width:
        text = _cut(text, width - 1) + "…"
    gap = " " * (width - _width(text)) + GAP
    return (text if isinstance(cell, str) else Styled(text, cell.style)), gap


def _cut(text: str, width: int) -> str:
    while _width(text) > width:
        text = text[:-1]
    return text
