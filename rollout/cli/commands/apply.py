"""`apply` brings a version of the file in force, having shown what it does."""

from __future__ import annotations

import time

import click

from rollout.cli.approvals import takes_more, tell_alone, waits
from rollout.cli.changing import Done, make_sure, spread_of, tell_spread, tell_that_it_waits, with_spread
from rollout.cli.differences import gains, tell_differences
from rollout.cli.files import read_local, to_send
from rollout.cli.gateway import Address, OpenDesk, desk_for
from rollout.cli.identity import actor
from rollout.cli.options import Intent, file_argument, raising
from rollout.cli.spread import Spread
from rollout.cli.terminal import Styled, stdout
from rollout.core.definitions import FlagFile
from rollout.service.operations import Request
from rollout.service.words import Document


@click.command()
@file_argument
@click.option("--prune", is_flag=True, help="Archive flags that are not in the file, for good.")
@click.option("--revision", type=click.IntRange(min=0), help="Only if nothing changed since this revision.")
@raising
@click.pass_obj
def command(
    open_desk: OpenDesk, *, file: str, prune: bool, revision: int | None, address: Address, intent: Intent
) -> None:
    """Bring a flags file in force.

    The file is the path of each rollout, not its position: applying it raises no live share, and lifts no halt and no
    kill. A flag without a rollout is on for its audience as soon as it is applied.
    """
    local = read_local(file)
    files = to_send(local)
    with desk_for(open_desk, address) as desk:
        plan = desk.plan(files, prune=prune)
        if intent.dry_run:
            _tell(plan | {"dry_run": True}, local, intent, None)
            return
        if gains(plan):
            details = [*gains(plan), *takes_more(plan)]
            make_sure(f"{local.name}: more people get something", details, intent)
        seen = plan["revision"] if revision is None else revision
        began = time.monotonic()
        request = Request(actor(), intent.reason, seen_revision=seen, break_glass=intent.break_glass)
        answer = desk.apply(files, request, prune=prune)
        if waits(answer):
            tell_that_it_waits(answer, intent)
            return
        _tell(answer, local, intent, spread_of(desk, Done(answer, began), intent))


def _tell(answer: Document, file: FlagFile, intent: Intent, spread: Spread | None) -> None:
    terminal = stdout()
    if intent.as_json:
        terminal.json(with_spread(answer, spread))
        return
    tell_differences(terminal, answer, file)
    if answer["dry_run"]:
        terminal.line(Styled("dry run, nothing was changed", "dim"))
    tell_alone(terminal, answer)
    if answer["changed"]:
        tell_spread(terminal, answer["revision"], spread)
        terminal.line("undo: ", Styled("rollout apply", "bold"), f" with the {file.name} that you had before")
