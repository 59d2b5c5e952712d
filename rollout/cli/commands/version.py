"""`version` says which release this is; `rollout --version` too."""

from __future__ import annotations

import click

from rollout import __version__
from rollout.cli.options import as_json
from rollout.cli.terminal import stdout


@click.command()
@as_json
def command(as_json: bool) -> None:
    """Print the version."""
    if as_json:
        stdout().json({"schema_version": 1, "version": __version__})
        return
    stdout().line(f"rollout {__version__}")
