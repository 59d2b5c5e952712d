"""`guard` tries a guard before it is trusted with a rollout. Each way to try one is a command below it."""

from __future__ import annotations

import click

from rollout.cli.commands.guard_backtest import backtest
from rollout.cli.commands.guard_drill import drill


@click.group(no_args_is_help=False)
def command() -> None:
    """Try a guard before it is trusted with a rollout."""


command.add_command(backtest)
command.add_command(drill)
