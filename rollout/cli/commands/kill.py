"""`kill` is for three in the morning: it asks nothing, and nobody who changes the flag at that moment can stop it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import click

from rollout.cli.changing import change_flag
from rollout.cli.gateway import Address, OpenDesk, desk_for
from rollout.cli.options import Intent, changing, flag_argument
from rollout.core.errors import RevisionConflict

if TYPE_CHECKING:
    from rollout.service.desk import Desk

ATTEMPTS = 5
"""Off is right whatever the flag was changed to meanwhile, so a kill looks again where other changes are refused."""


@click.command()
@flag_argument
@changing
@click.pass_obj
def command(open_desk: OpenDesk, flag: str, address: Address, intent: Intent) -> None:
    """Take a flag from everyone, now.

    It never asks. Flags that require this one go off with it, and are named. `rollout revive` undoes it.
    """
    with desk_for(open_desk, address, flag) as desk:
        for _ in range(ATTEMPTS - 1):
            with suppress(RevisionConflict):
                _kill(desk, flag, intent)
                return
        _kill(desk, flag, intent)


def _kill(desk: Desk, flag: str, intent: Intent) -> None:
    change_flag(desk, flag, lambda request: desk.kill(flag, request), intent, "off with it, since they require it")
