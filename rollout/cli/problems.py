"""Problems of a file on a terminal, with the line and a caret under the place, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from rollout.cli.terminal import Styled, Terminal
from rollout.core.errors import Problem
from rollout.yaml_files.problems import as_text

_STYLES = {"error": "strong red", "warning": "yellow"}


def tell_problems(terminal: Terminal, problems: Iterable[Problem]) -> None:
    for problem in problems:
        said, *shown = as_text([problem]).split("\n")
        terminal.line(Styled(said, _STYLES.get(problem.severity, "bold")))
        for line in shown:
            terminal.line(line.expandtabs())  # after which the caret still stands under the place


def problems_document(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    return [asdict(problem) for problem in problems]
