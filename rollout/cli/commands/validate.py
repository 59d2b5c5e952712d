"""`validate` says all that is wrong with a file, to a person, a program or a pull request; it needs no service."""

from __future__ import annotations

from collections.abc import Sequence

import click

from rollout.cli.differences import flags_in
from rollout.cli.exits import Exit
from rollout.cli.files import read_local
from rollout.cli.options import as_json, file_argument
from rollout.cli.problems import problems_document, tell_problems
from rollout.cli.terminal import stdout
from rollout.core.definitions import FlagFile
from rollout.core.errors import InvalidFile, Problem
from rollout.service.words import plural
from rollout.yaml_files.problems import as_github


@click.command()
@file_argument
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="github: annotations on the lines of a pull request.",
)
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@as_json
@click.pass_context
def command(context: click.Context, file: str, form: str, strict: bool, as_json: bool) -> None:
    """Check a flags file, without a service.

    Says everything that is wrong at once, each with its line, a caret and what to write instead.
    """
    outcome = _outcome(file)
    problems = outcome.warnings if isinstance(outcome, FlagFile) else outcome
    _tell(outcome, problems, "json" if as_json else form)
    failing = [problem for problem in problems if strict or problem.severity == "error"]
    context.exit(Exit.USAGE if failing else Exit.DONE)


def _outcome(file: str) -> FlagFile | Sequence[Problem]:
    try:
        return read_local(file)
    except InvalidFile as invalid:
        return invalid.problems


def _tell(outcome: FlagFile | Sequence[Problem], problems: Sequence[Problem], form: str) -> None:
    terminal = stdout()
    if form == "json":
        terminal.json({"schema_version": 1, "problems": problems_document(problems)})
        return
    if form == "github":
        for annotation in filter(None, as_github(problems).split("\n")):
            terminal.line(annotation)
        return
    tell_problems(terminal, problems)
    counts = [plural(count, what) for what in ("error", "warning") if (count := _count(problems, what))]
    said = f"{outcome.name}: {flags_in(outcome)}; " if isinstance(outcome, FlagFile) else ""
    terminal.line(said + (", ".join(counts) or "no problems"))


def _count(problems: Sequence[Problem], severity: str) -> int:
    return sum(problem.severity == severity for problem in problems)
