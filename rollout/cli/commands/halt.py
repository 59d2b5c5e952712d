"""`halt` holds a rollout where it is, or all of them: what one does first when something looks wrong. It asks nothing,
and with `--all` what fails for one flag keeps no other from being halted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from rollout.cli.changing import Done, spread_of, stop, stop_flag, tell_answer, tell_spread, tell_undo, with_spread
from rollout.cli.exits import Exit
from rollout.cli.gateway import Address, OpenDesk, desk_for
from rollout.cli.options import Intent, changing
from rollout.cli.terminal import Styled, stderr, stdout
from rollout.core.errors import InvalidInput, RolloutError

if TYPE_CHECKING:
    from rollout.service.desk import Desk


@click.command()
@click.argument("flag", required=False)
@click.option("--all", "everything", is_flag=True, help="Every rollout that is moving.")
@changing
@click.pass_obj
@click.pass_context
def command(
    context: click.Context, open_desk: OpenDesk, *, flag: str | None, everything: bool, address: Address, intent: Intent
) -> None:
    """Stop a rollout where it is; those who have the flag keep it.

    It never asks. With --all every rollout that is moving is halted, each by a change of its own.
    """
    if everything == (flag is not None):
        raise InvalidInput("halt takes either a flag or --all", "write `rollout halt payments` or `rollout halt --all`")
    with desk_for(open_desk, address, flag) as desk:
        if flag is not None:
            stop_flag(desk, flag, lambda request: desk.halt(flag, request), intent)
            return
        failed = _halt_all(desk, intent)
    context.exit(Exit.FAILED if failed else Exit.DONE)


def _halt_all(desk: Desk, intent: Intent) -> dict[str, RolloutError]:
    """Every one first, and only then how far that has come. The flags that could not be halted."""
    failed: dict[str, RolloutError] = {}
    done = list(_each(desk, intent, failed))
    last = max(done, key=lambda one: int(one.answer["revision"]), default=None)
    spread = spread_of(desk, Done(last.answer, done[0].began), intent) if last else None
    if intent.as_json:
        errors = [{"flag": flag, "code": error.code, "message": error.message} for flag, error in failed.items()]
        stdout().json(with_spread({"flags": [one.answer for one in done], "failed": errors}, spread))
        return failed
    terminal = stdout()
    if last is None and not failed:
        terminal.line("nothing to halt: no rollout is moving")
    if last is not None and last.answer["changed"]:
        tell_spread(terminal, last.answer["revision"], spread)
    for one in done:
        tell_undo(terminal, one.answer)
    return failed


def _each(desk: Desk, intent: Intent, failed: dict[str, RolloutError]) -> Iterator[Done]:
    """Told as it happens. Who fails is added to `failed`."""
    for flag in _moving(desk):
        try:
            done = _halt(desk, flag, intent)
        except RolloutError as error:
            failed[flag] = error
            stderr().line(Styled("error: ", "strong red"), f"{flag}: {error.message}")
            continue
        if not intent.as_json:
            terminal = stdout()
            tell_answer(terminal, done.answer)
            terminal.flush()
        yield done


def _halt(desk: Desk, flag: str, intent: Intent) -> Done:
    return stop(lambda request: desk.halt(flag, request), intent)


def _moving(desk: Desk) -> list[str]:
    return [line["flag"] for line in desk.status()["flags"] if line["state"] == "rolling"]
