"""`advance` is a person's word that a rollout may go on: sooner than its plan would, or where the plan waits for it."""

from __future__ import annotations

import click

from rollout.cli.changing import change_flag
from rollout.cli.gateway import Address, OpenDesk, desk_for
from rollout.cli.options import Intent, flag_argument, raising


@click.command()
@flag_argument
@click.option("--to", metavar="STAGE", help="Not to the next stage but to this one, and all before it.")
@raising
@click.pass_obj
def command(open_desk: OpenDesk, flag: str, to: str | None, address: Address, intent: Intent) -> None:
    """Go to the next stage of the plan, now.

    Whether or not the stage before has baked, and this is how a stage that waits for approval is approved. The rollout
    goes on from there by itself.
    """
    with desk_for(open_desk, address, flag) as desk:
        change_flag(desk, flag, lambda request: desk.advance(flag, request, to=to), intent, says_next=True)
