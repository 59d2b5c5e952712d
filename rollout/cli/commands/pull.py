"""`pull` writes into the local file what became of its rollouts: only those characters, and nobody gains or loses by
it. Applying the file afterwards is a change of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import click

from rollout.cli.exits import Exit
from rollout.cli.files import flag_line, read_local
from rollout.cli.gateway import Address, OpenDesk, desk_for
from rollout.cli.options import DEFAULT_FILE, reaching
from rollout.cli.overview import warnings
from rollout.cli.terminal import Styled, Terminal, stderr, stdout
from rollout.core.definitions import FlagFile
from rollout.core.errors import InvalidInput, UnknownFlag
from rollout.core.flags import FLAG_KEY
from rollout.core.plans import Exposure
from rollout.core.shares import Share
from rollout.service.words import Document
from rollout.yaml_files.pull import Pull, pull_file, pulled, pulls


@click.command()
@click.argument("words", nargs=-1, metavar="[FILE] [FLAG]...")
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
@click.option("--check", is_flag=True, help="Write nothing, and exit 3 when the file lags behind.")
@reaching
@click.pass_obj
@click.pass_context
def command(
    context: click.Context,
    open_desk: OpenDesk,
    *,
    words: tuple[str, ...],
    dry_run: bool,
    check: bool,
    address: Address,
    as_json: bool,
) -> None:
    """Write into a flags file where its rollouts stand.

    A share that somebody set between two stages, or beyond the last, becomes a stage; a rollout that is finished loses
    the stages that it has behind it. Nothing else in the file changes. FILE is the first word with a dot or a slash in
    it; with FLAGs only those are looked at.
    """
    file, flags = _file_and_flags(words)
    local = read_local(file)
    _check_known(local, flags)
    with desk_for(open_desk, address) as desk:
        status = desk.status()
    live = _Live.of(status, flags)
    found = pulls(local, live.exposures, live.held)
    lines = list(_changed_lines(local.text, pulled(local, found).text))
    writes = bool(lines) and not (dry_run or check)
    if writes:
        found = pull_file(Path(file), live.exposures, live.held)
    if as_json:
        stdout().json(_document(local, found, lines, writes))
    else:
        _tell(stdout(), local, found, lines, writes)
        for trouble in warnings(status):
            stderr().line(Styled("warning: ", "yellow"), trouble)
    context.exit(Exit.DIFFERENCE if check and found else Exit.DONE)


@dataclass(frozen=True, slots=True)
class _Live:
    exposures: Mapping[str, Exposure]
    held: frozenset[str]

    @classmethod
    def of(cls, status: Document, flags: Sequence[str]) -> _Live:
        """Of these flags, or of all. A flag that is left out counts as nobody's, for which there is nothing to pull."""
        lines = [line for line in status["flags"] if not flags or line["flag"] in flags]
        exposures: dict[str, Exposure] = {
            line["flag"]: {one["audience"]: Share.parse(one["share"]) for one in line["live"]} for line in lines
        }
        return cls(exposures, frozenset(line["flag"] for line in lines if line["state"] == "halted"))


@dataclass(frozen=True, slots=True)
class _Line:
    number: int  # in the old text where it goes, in the new one where it comes
    text: str
    comes: bool


def _file_and_flags(words: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """No flag's key has a dot or a slash in it."""
    files = [word for word in words if not FLAG_KEY.fullmatch(word)]
    if len(files) > 1:
        raise InvalidInput(f"{files[1]} is a second file", "pull into one file at a time")
    file = files[0] if files else os.environ.get("ROLLOUT_FILE") or DEFAULT_FILE
    return file, tuple(word for word in words if word not in files)


def _check_known(local: FlagFile, flags: Sequence[str]) -> None:
    for flag in flags:
        if flag not in local.definitions.flags:
            raise UnknownFlag(f"{local.name} has no flag called {flag!r}", "a file has a dot or a slash in its name")


def _changed_lines(before: str, after: str) -> Iterator[_Line]:
    old, new = before.splitlines(), after.splitlines()
    for tag, first, last, start, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            yield from (_Line(number + 1, old[number], comes=False) for number in range(first, last))
            yield from (_Line(number + 1, new[number], comes=True) for number in range(start, end))


def _document(local: FlagFile, found: Sequence[Pull], lines: Sequence[_Line], written: bool) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "file": local.name,
        "written": written,
        "pulls": [{"flag": pull.flag, "said": pull.said, "can": pull.change is not None} for pull in found],
        "lines": [{"line": line.number, "text": line.text, "change": "+" if line.comes else "-"} for line in lines],
    }


def _tell(terminal: Terminal, local: FlagFile, found: Sequence[Pull], lines: Sequence[_Line], written: bool) -> None:
    for pull in found:
        mark = Styled("~ ", "yellow") if pull.change else Styled("! ", "red")
        terminal.line(mark, Styled(pull.flag, "bold"), Styled(f"  {flag_line(local, pull.flag) or ''}", "dim"))
        terminal.line("    ", pull.said)
    for line in lines:
        sign, style = ("+", "green") if line.comes else ("-", "red")
        terminal.line(f"{line.number:>5} ", Styled(f"{sign} {line.text}", style))
    terminal.line(_summary(local, found, lines, written))


def _summary(local: FlagFile, found: Sequence[Pull], lines: Sequence[_Line], written: bool) -> str:
    if written:
        return f"{local.name} is written; `rollout plan {local.name}` says what applying it would do"
    if lines:
        return f"{local.name} lags behind; nothing was written"
    return f"{local.name} is as it was: nothing can be pulled" if found else f"{local.name} has nothing to pull"
