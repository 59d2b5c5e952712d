"""Outcomes as they were counted minute by minute in the past, from a CSV file. Nothing is guessed or passed over:
whatever is wrong is said with its line, up to a few problems at once.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from rollout.core.backtest import Recorded
from rollout.core.bets import Minute, Tally
from rollout.core.errors import InvalidFile, InvalidInput, Problem
from rollout.yaml_files.hints import did_you_mean

NEEDED = ("at", "ok", "failed")
VALUE = "value"
CONTROL = ("control_ok", "control_failed")
KNOWN = (*NEEDED, VALUE, *CONTROL)
MANY = 20  # problems, after which no more are looked for
LONGEST = timedelta(days=366)  # a mistyped year would ask for the replay of centuries
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    source: str
    cells: Sequence[str]


def read_history(file: str, *, by: str | None, control: bool) -> list[Recorded]:
    """`by`: what each value is one of, where a guard judges each on its own; `control`: whether it compares with those
    who do not have the flag. Raises InvalidFile."""
    rows = _rows(file)
    reading = _Reading(file, next(rows, _Row(1, "", ())))
    reading.check_header(by, control)
    records = [record for row in rows if (record := reading.record(row)) is not None]
    if not records and not reading.problems:
        reading.say(reading.header, "there is no minute in it", "write one a line, below the names of the columns")
    reading.check_span(records)
    reading.end()
    return records


def _rows(file: str) -> Iterator[_Row]:
    try:
        lines = Path(file).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or no possible name of a file
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InvalidFile((Problem(file, 1, 1, f"the file cannot be read: {why}"),)) from None
    reader = csv.reader(lines, strict=True)
    try:
        for cells in reader:
            if cells:
                yield _Row(reader.line_num, lines[reader.line_num - 1], [cell.strip() for cell in cells])
    except csv.Error as error:
        raise InvalidFile((Problem(file, max(reader.line_num, 1), 1, f"this is not CSV: {error}"),)) from None


@dataclass
class _Reading:
    """One file on its way to records, and the problems found so far."""

    file: str
    header: _Row
    problems: list[Problem] = field(default_factory=list)
    lines: dict[tuple[datetime, str | None], int] = field(default_factory=dict)  # where a minute was given

    def check_header(self, by: str | None, control: bool) -> None:
        columns = self.header.cells
        for place, column in enumerate(columns):
            if column not in KNOWN:
                self.say(self.header, f"no column is called '{column}'", did_you_mean(column, KNOWN), place)
            elif column in columns[:place]:
                self.say(self.header, f"column '{column}' is there twice", "keep one of them", place)
        for column in (*NEEDED, *(CONTROL if control else ())):
            if column not in columns:
                self.say(self.header, f"there is no column '{column}'", f"the first line names: {','.join(NEEDED)}")
        if by and VALUE not in columns:
            self.say(self.header, f"the guard judges each {by} on its own", "add a column 'value' that says which")
        self.end()

    def record(self, row: _Row) -> Recorded | None:
        """None for a row with a problem."""
        before = len(self.problems)
        if len(row.cells) != len(self.header.cells):
            wanted = len(self.header.cells)
            self.say(row, f"{len(row.cells)} cells in place of {wanted}", f"write {','.join(self.header.cells)}")
            return None
        at, value = self._cell(row, "at", _minute), self._cell(row, VALUE, _text)
        ok, failed, control_ok, control_failed = (
            self._cell(row, column, _count) or 0 for column in ("ok", "failed", *CONTROL)
        )
        if at is None or len(self.problems) > before:
            return None
        if self._given_before(row, at, value):
            return None
        return Recorded(
            at, value, Minute(Tally(failed, ok + failed), Tally(control_failed, control_ok + control_failed))
        )

    def check_span(self, records: Sequence[Recorded]) -> None:
        if not records:
            return
        first, last = min(one.at for one in records), max(one.at for one in records)
        if last - first > LONGEST:
            said = f"it goes from {first:%Y-%m-%d} to {last:%Y-%m-%d}, which is more than a year"
            self.say(self.header, said, "is a date mistyped?")

    def say(self, row: _Row, message: str, hint: str | None, place: int = 0) -> None:
        column = 1 + sum(len(cell) + 1 for cell in row.cells[:place])
        self.problems.append(Problem(self.file, row.line, column, message, hint, row.source))
        if len(self.problems) >= MANY:
            self.end()

    def end(self) -> None:
        if self.problems:
            raise InvalidFile(tuple(self.problems))

    def _cell(self, row: _Row, column: str, read: Callable[[str], T]) -> T | None:
        """None where the file has no such column, or something is wrong with the cell."""
        if column not in self.header.cells:
            return None
        place = self.header.cells.index(column)
        try:
            return read(row.cells[place])
        except InvalidInput as error:
            self.say(row, f"{column}: {error.message}", error.hint, place)
            return None

    def _given_before(self, row: _Row, at: datetime, value: str | None) -> bool:
        line = self.lines.setdefault((at, value), row.line)
        if line == row.line:
            return False
        whose = f" of {value}" if value else ""
        self.say(row, f"this minute{whose} was given in line {line} already", "add their counts up")
        return True


_MINUTE = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:(?P<seconds>\d\d(\.\d+)?))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _minute(text: str) -> datetime:
    example = "2026-03-01T12:03:00Z"
    found = _MINUTE.fullmatch(text)
    if found is None:
        raise InvalidInput(f"'{text}' is not a time with its zone (RFC 3339)", f"write {example}")
    if float(found["seconds"] or 0):
        raise InvalidInput(f"'{text}' is within a minute", f"count whole minutes, each named by its start: {example}")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(f"'{text}' is not in any calendar", f"write {example}") from None


def _text(text: str) -> str:
    if not text:
        raise InvalidInput("it is empty", "say of which value the counts are, or leave the column out")
    return text


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,12}", text):
        raise InvalidInput(f"'{text}' is not a number of outcomes", "write a whole number from 0")
    return int(text)
