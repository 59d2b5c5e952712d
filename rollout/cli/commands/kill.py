"""`kill` is for three in the morning: it asks nothing, and nobody who changes the flag at that moment can stop it."""

from __future__ import annotations

import click

from rollout.cli.changing import stop_flag
from rollout.cli.gateway import Address, OpenDesk, desk_for
from rollout.cli.options import Intent, changing, flag_argument


@click.command()
@flag_argument
@changing
@click.pass_obj
def command(open_desk: OpenDesk, flag: str, address: Address, intent: Intent) -> None:
    """Take a flag from everyone, now.

    It never asks. Flags that require this one go off with it, and are named. `rollout revive` undoes it.
    """
    with desk_for(open_desk, address, flag) as desk:
        stop_flag(desk, flag, lambda request: desk.kill(flag, request), intent, "off with it, since they require it")
