"""`reject` is a word against a change that waits: it is not done, and not proposed again on the same day."""

from __future__ import annotations

import click

from rollout.cli.approvals import title
from rollout.cli.gateway import Address, OpenDesk, desk_for
from rollout.cli.identity import actor
from rollout.cli.options import reaching
from rollout.cli.terminal import Styled, stdout
from rollout.service.operations import Request


@click.command()
@click.argument("change", metavar="ID")
@click.option("-m", "--reason", default="", help="Why, for the audit, and for whoever proposed it.")
@reaching
@click.pass_obj
def command(open_desk: OpenDesk, *, change: str, reason: str, address: Address, as_json: bool) -> None:
    """Say no to a change that waits for approval.

    It is not done, and the same is not proposed again until a day after it was proposed.
    """
    with desk_for(open_desk, address) as desk:
        answer = desk.reject(change, Request(actor(), reason))
    if as_json:
        stdout().json({"schema_version": 1, **answer})
    else:
        stdout().line(Styled(f"{change} is rejected", "bold"), f": {title(answer['pending'])}")
