"""`approve` is the second person's word: what was proposed is done at once, exactly as it was proposed."""

from __future__ import annotations

import click

from rollout.cli.approvals import title
from rollout.cli.gateway import Address, OpenDesk, desk_for
from rollout.cli.identity import actor
from rollout.cli.options import reaching
from rollout.cli.terminal import Styled, Terminal, stdout
from rollout.service.operations import Request
from rollout.service.words import Document, plural


@click.command()
@click.argument("change", metavar="ID")
@click.option("-m", "--reason", default="", help="Why, for the audit.")
@click.option("-n", "--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@reaching
@click.pass_obj
def command(open_desk: OpenDesk, *, change: str, reason: str, dry_run: bool, address: Address, as_json: bool) -> None:
    """Agree to a change of somebody else that takes more than one person.

    It takes an admin's key, and nobody approves what they proposed. With the last word that is needed the change is
    made, in the name of whoever proposed it; where anything that it concerns has moved meanwhile, it is void. Of what
    was done alone, by --break-glass, it says that you have seen it.
    """
    with desk_for(open_desk, address) as desk:
        answer = desk.approve(change, Request(actor(), reason, dry_run=dry_run))
    if as_json:
        stdout().json({"schema_version": 1, **answer})
    else:
        _tell(stdout(), change, answer)


def _tell(terminal: Terminal, change: str, answer: Document) -> None:
    one = answer.get("pending")
    if answer["dry_run"]:
        terminal.line(Styled("dry run, nothing was changed", "dim"))
    if one is None:
        what = " ".join(filter(None, (answer["action"], answer.get("flag"))))
        terminal.line(Styled(f"{change} is approved and done", "bold"), f": {what}, revision {answer['revision']}")
    elif one.get("done_at"):
        terminal.line(Styled(f"{change} was seen", "bold"), f": {title(one)}, done at revision {one['done_at']}")
    else:
        left = one["needed"] - len(one.get("approved", ()))
        terminal.line(
            Styled(f"{change} is approved", "bold"), f": {title(one)}; {plural(left, 'person')} more to agree"
        )
