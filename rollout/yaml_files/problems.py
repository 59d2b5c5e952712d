"""Problems of a file as people and tools want to see them: for a terminal with the line and a caret under it, and as
annotations that GitHub shows beside the change. Pure functions; nothing that a file holds reaches a terminal as a
control sequence.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from rollout.core.errors import Problem

WIDEST = 160  # characters of a line that are shown around the place

_BIDIRECTIONAL = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], "\ufffd")
_INVISIBLE = {**dict.fromkeys([*range(32), *range(127, 160), 0x2028, 0x2029], "\ufffd"), 9: "\t"} | _BIDIRECTIONAL


def as_text(problems: Iterable[Problem]) -> str:
    """Each problem with its line and a caret under the place:

    flags.yaml:8:7: error: no attribute called 'contry'; did you mean 'country'?
          contry: IN
          ^
    """
    return "\n".join(_with_line(problem) for problem in problems)


def as_github(problems: Iterable[Problem]) -> str:
    """Workflow commands, one a line: `::error file=flags.yaml,line=8,col=7::no attribute called ...`."""
    return "\n".join(_annotation(problem) for problem in problems)


def _with_line(problem: Problem) -> str:
    said = str(problem).translate(_INVISIBLE)
    if not problem.source.strip() or problem.column > len(problem.source) + 1:
        return said
    start = max(0, problem.column - WIDEST // 2)
    before = problem.source[start : problem.column - 1].translate(_INVISIBLE)
    after = problem.source[problem.column - 1 : start + WIDEST].translate(_INVISIBLE)
    cut = "…" if start else ""
    return f"{said}\n{cut}{before}{after}\n{cut and ' '}{_blank(before)}^"


def _blank(text: str) -> str:
    """As much room as the text takes on a terminal."""
    return "".join("\t" if character == "\t" else " " * _columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _annotation(problem: Problem) -> str:
    place = f"file={_property(problem.file)},line={problem.line},col={problem.column}"
    said = f"{problem.message}; {problem.hint}" if problem.hint else problem.message
    return f"::{problem.severity} {place}::{_data(said)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
