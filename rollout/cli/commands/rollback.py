"""`rollback` takes a flag back from those who got it last."""

from __future__ import annotations

import click

from rollout.cli.changing import change_flag
from rollout.cli.gateway import Address, OpenDesk, desk_for
from rollout.cli.options import Intent, changing, flag_argument


@click.command()
@flag_argument
@click.option("--to", metavar="STAGE", help="Not to the stage before but to this one; 0%: before the first.")
@changing
@click.pass_obj
def command(open_desk: OpenDesk, flag: str, to: str | None, address: Address, intent: Intent) -> None:
    """Go back to the stage before, and hold there.

    Those who were added since lose the flag; it never asks. The rollout is halted there until it is resumed.
    """
    with desk_for(open_desk, address, flag) as desk:
        change_flag(desk, flag, lambda request: desk.rollback(flag, request, to=to), intent)
