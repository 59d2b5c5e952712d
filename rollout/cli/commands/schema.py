"""`schema` is for editors, which check the file as it is typed."""

from __future__ import annotations

import click

from rollout.cli.terminal import stdout
from rollout.yaml_files.schema import schema


@click.command()
def command() -> None:
    """Print the JSON Schema of flags files, for editors.

    It accepts and refuses the same files as `rollout validate`, as far as a schema can tell.
    """
    stdout().json(schema())
