"""`resume` gives nobody anything at that moment, so it does not ask; it says what comes next, and when."""

from __future__ import annotations

import click

from rollout.cli.changing import change_flag
from rollout.cli.gateway import Address, OpenDesk, desk_for
from rollout.cli.options import Intent, changing, flag_argument


@click.command()
@flag_argument
@changing
@click.pass_obj
def command(open_desk: OpenDesk, flag: str, address: Address, intent: Intent) -> None:
    """Let a halted rollout move again.

    It goes on from where it stands, as its plan says. How long it was halted does not count as baking.
    """
    with desk_for(open_desk, address, flag) as desk:
        change_flag(desk, flag, lambda request: desk.resume(flag, request), intent, says_next=True)
