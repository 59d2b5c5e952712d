"""`resume` of a rollout gives nobody anything at that moment, so it does not ask; it says what comes next, and when.
With a value it gives the flag back to those whom a guard excluded, and asks.
"""

from __future__ import annotations

import click

from rollout.cli.changing import change_flag
from rollout.cli.gateway import Address, OpenDesk, desk_for
from rollout.cli.options import Intent, flag_argument, raising


@click.command()
@flag_argument
@click.option("--value", metavar="VALUE", help="Not the rollout: give the flag back to those whom a guard excluded.")
@raising
@click.pass_obj
def command(open_desk: OpenDesk, flag: str, value: str | None, address: Address, intent: Intent) -> None:
    """Let a halted rollout move again.

    It goes on from where it stands, as its plan says. How long it was halted does not count as baking. With --value SBI
    it lifts what a guard did to the customers of SBI, and asks first. Either way the guards begin anew to judge what
    they had found.
    """
    with desk_for(open_desk, address, flag) as desk:
        change_flag(desk, flag, lambda request: desk.resume(flag, request, value=value), intent, says_next=True)
