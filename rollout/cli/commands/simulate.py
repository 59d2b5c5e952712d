"""`simulate` prints the timetable of a plan before anybody lives through it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import click

from rollout.cli.gateway import Address, OpenDesk, desk_for
from rollout.cli.options import flag_argument, reaching
from rollout.cli.terminal import Cell, Styled, Terminal, stdout
from rollout.cli.times import day_words
from rollout.core.errors import InvalidInput
from rollout.service.spans import coming_in
from rollout.service.words import Document

COLUMNS = ("at", "stage", "note")
"""Of the tab-separated form: only ever added to, at the end. The last line has no stage: there it ends, and why."""


@click.command()
@flag_argument
@click.option(
    "--at-verdict",
    "given",
    multiple=True,
    metavar="STAGE=VERDICT",
    help="What the guards find in a stage: healthy, breached, too-little-data or source-silent; may be repeated.",
)
@reaching
@click.pass_obj
def command(open_desk: OpenDesk, flag: str, given: tuple[str, ...], address: Address, as_json: bool) -> None:
    """The timetable that a rollout follows from now on.

    For example: rollout simulate payments --at-verdict 5%=breached

    By the same rules that move it, if all guards stay healthy, approvals are given at once, and a server is running all
    the time. Nothing is changed.
    """
    verdicts = _verdicts(given)
    with desk_for(open_desk, address, flag) as desk:
        document = desk.simulate(flag, verdicts)
    if as_json:
        stdout().json(document)
        return
    _tell(stdout(), document)


def _verdicts(given: Sequence[str]) -> dict[str, str]:
    verdicts: dict[str, str] = {}
    for text in given:
        stage, separator, word = text.rpartition("=")
        if not separator or not stage:
            raise InvalidInput(f"{text!r} is not a stage with its verdict", "write --at-verdict 5%=breached")
        if stage in verdicts:
            raise InvalidInput(f"stage {stage} is given twice", "give it once")
        verdicts[stage] = word
    return verdicts


def _tell(terminal: Terminal, document: Document) -> None:
    events = document["events"]
    if not terminal.is_terminal:
        terminal.table(COLUMNS, [[event["at"], event["stage"] or "", event["note"]] for event in events])
        return
    now = datetime.fromisoformat(document["from"])
    if events[0]["stage"] is None:
        terminal.line(Styled(f"nothing comes: {events[0]['note']}", "bold"))
        return
    terminal.aligned([_row(event, now) for event in events])


def _row(event: Document, now: datetime) -> list[Cell]:
    when = f"on {day_words(event['at'], now)}"
    relative = Styled(coming_in(event["at"], now), "dim")
    if event["stage"] is None:
        end = "done" if event["note"] == "done" else f"stays there: {event['note']}"
        return [Styled(end, "bold"), when, relative, ""]
    share = event["note"] if " of " in event["note"] else event["stage"]
    return [share, when, relative, "" if share == event["note"] else event["note"]]
