"""`revive` lifts a kill, and nothing else."""

from __future__ import annotations

import click

from rollout.cli.changing import change_flag
from rollout.cli.gateway import Address, OpenDesk, desk_for
from rollout.cli.options import Intent, flag_argument, raising


@click.command()
@flag_argument
@raising
@click.pass_obj
def command(open_desk: OpenDesk, flag: str, address: Address, intent: Intent) -> None:
    """Lift a kill; the rollout stays halted.

    Those who had the flag when it was killed have it again, as far as the file still lets them. Nobody new gets it
    until the rollout is resumed.
    """
    with desk_for(open_desk, address, flag) as desk:
        change_flag(desk, flag, lambda request: desk.revive(flag, request), intent, "with it, where they are on")
