"""What is noticed while a file is read: its problems, and on which line each part of it stands. Reading goes on after a
problem, so that people see all of them at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Protocol, TypeVar

from rollout.core.errors import InvalidInput, Problem
from rollout.yaml_files.hints import did_you_mean
from rollout.yaml_files.source import Source

MAX_PROBLEMS = 1_000
MAX_SUGGESTIONS = 200

T = TypeVar("T")
D = TypeVar("D")
N = TypeVar("N", bound="Located")


class Located(Protocol):
    @property
    def start(self) -> int: ...


class TooManyProblems(Exception):
    """There are more than anybody can read: reading on would only take time."""


class Notes:
    """Holds what was noticed in one file."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.lines: dict[str, int] = {}
        self._errors: list[Problem] = []
        self._warnings: list[Problem] = []
        self._suggested = 0

    def add(self, error: Problem) -> None:
        """Raises TooManyProblems after the last that is kept."""
        self._errors.append(error)
        if len(self._errors) >= MAX_PROBLEMS:
            raise TooManyProblems

    def error(self, at: Located | int, message: str, hint: str | None = None) -> None:
        self.add(self.source.problem(_index(at), message, hint))

    def warn(self, at: Located | int, message: str, hint: str | None = None) -> None:
        if len(self._warnings) < MAX_PROBLEMS:
            self._warnings.append(self.source.problem(_index(at), message, hint, "warning"))

    def attempt(self, read: Callable[[N], T], node: N, default: D) -> T | D:
        """What `read` makes of the node. Its InvalidInput becomes a problem at the node, and `default` the value."""
        try:
            return read(node)
        except InvalidInput as error:
            self.error(node, error.message, error.hint)
            return default

    def suggest(self, word: str, known: Collection[str]) -> str | None:
        """A hint to what a misspelt name was meant to be. Searching takes time, so a hopeless file gets only some."""
        self._suggested += 1
        return did_you_mean(word, known) if self._suggested <= MAX_SUGGESTIONS else None

    def place(self, path: str, at: Located) -> None:
        """Keeps the line of a part of the file, under its dotted path."""
        self.lines[path] = self.source.position(at.start)[0]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Every error, in the order of the file. The last says so where reading ended before the file did."""
        errors = sorted(self._errors, key=self._order)
        if len(errors) >= MAX_PROBLEMS:
            said = f"these are {len(errors):,} problems, and there may be more"
            errors.append(replace(errors[-1], message=said, hint=None))
        return tuple(errors)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return tuple(sorted(self._warnings, key=self._order))

    def _order(self, problem: Problem) -> tuple[bool, str, int, int]:
        return problem.file != self.source.name, problem.file, problem.line, problem.column


def _index(at: Located | int) -> int:
    return at if isinstance(at, int) else at.start
