"""`pending` lists the changes that take more than one person: those that wait, and those that one admin made alone."""

from __future__ import annotations

import click

from rollout.cli.approvals import title, when
from rollout.cli.gateway import Address, OpenDesk, desk_for
from rollout.cli.options import reaching
from rollout.cli.terminal import Cell, Styled, Terminal, stdout
from rollout.service.words import Document

COLUMNS = ("id", "state", "left", "what", "by", "at", "expires", "reason", "why")
"""Of the tab-separated form: only ever added to, at the end. `left`: how many still have to agree."""

_STYLES = {"waits": "yellow", "done alone": "strong red"}


@click.command()
@reaching
@click.pass_obj
def command(open_desk: OpenDesk, *, address: Address, as_json: bool) -> None:
    """What waits for a second person, and what was done alone.

    A change that raises exposure further than `approvals` in the flags file lets one person waits here, for 24 hours,
    until others say `rollout approve ID` or `rollout reject ID`. It is void once anything that it concerns has moved.
    What an admin did alone, by --break-glass, stands here until another one has seen it.
    """
    with desk_for(open_desk, address) as desk:
        document = desk.pending()
    terminal = stdout()
    if as_json:
        terminal.json(document)
    elif not document["pending"] and terminal.is_terminal:
        terminal.line("nothing waits for approval")
    else:
        terminal.table(COLUMNS, [_row(one, terminal) for one in document["pending"]], ("reason", "expires", "at"))


def _row(one: Document, terminal: Terminal) -> list[Cell]:
    return [
        one["id"],
        Styled(one["state"], _STYLES.get(one["state"], "dim")),
        str(one["left"]),
        title(one),
        one["by"]["name"],
        when(one["at"], terminal),
        "" if one["state"] == "done alone" else when(one["expires_at"], terminal),
        one.get("reason", ""),
        "; ".join(one.get("raises", ())),
    ]
