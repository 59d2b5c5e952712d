"""`plan` shows what a file would do before anybody does it: to the flags, and to people."""

from __future__ import annotations

import click

from rollout.cli.differences import differs, tell_differences
from rollout.cli.exits import Exit
from rollout.cli.files import read_local, to_send
from rollout.cli.gateway import Address, OpenDesk, desk_for
from rollout.cli.options import file_argument, reaching
from rollout.cli.terminal import stdout


@click.command()
@file_argument
@click.option("--prune", is_flag=True, help="As if flags that are not in the file were archived.")
@click.option("--exit-code", is_flag=True, help="Exit 3 when there is a difference.")
@reaching
@click.pass_obj
@click.pass_context
def command(
    context: click.Context,
    open_desk: OpenDesk,
    *,
    file: str,
    prune: bool,
    exit_code: bool,
    address: Address,
    as_json: bool,
) -> None:
    """What applying a flags file would do.

    Each flag that would be added (+), changed (~) or is missing (-), with its line; who would gain or lose it at once;
    and what the file wants but is held back, and by whom.
    """
    local = read_local(file)
    with desk_for(open_desk, address) as desk:
        answer = desk.plan(to_send(local), prune=prune)
    different = differs(answer, local)
    if as_json:
        stdout().json({"schema_version": 1, **answer, "differs": different})
    else:
        tell_differences(stdout(), answer, local)
    context.exit(Exit.DIFFERENCE if exit_code and different else Exit.DONE)
