"""`doctor` looks at everything that is known to go wrong with an installation. For people it says what to do; for a
monitor it ends with 1 as soon as there is one problem.
"""

from __future__ import annotations

import click

from rollout.cli.exits import Exit
from rollout.cli.gateway import Address, OpenDesk, desk_for
from rollout.cli.options import reaching
from rollout.cli.terminal import Styled, stdout

COLUMNS = ("check", "state", "says", "hint")
"""Of the tab-separated form: only ever added to, at the end."""

_MARKS = {"ok": Styled("✓", "green"), "problem": Styled("✗", "red"), "unknown": Styled("–", "dim")}


@click.command()
@reaching
@click.pass_obj
@click.pass_context
def command(context: click.Context, open_desk: OpenDesk, *, address: Address, as_json: bool) -> None:
    """What is wrong with this installation, or soon will be.

    Looks at the store (version, access, eviction, persistence, memory), the servers and their clocks, the flags file,
    keys that expire, what was done alone and no second admin has seen, servers that count people by different keys, and
    guards that hear of no outcomes. Ends with 1 where there is a problem.
    """
    with desk_for(open_desk, address) as desk:
        document = desk.doctor()
    terminal = stdout()
    if as_json:
        terminal.json(document)
    elif not terminal.is_terminal:
        terminal.table(COLUMNS, [[one[column] or "" for column in COLUMNS] for one in document["checks"]])
    else:
        for one in document["checks"]:
            terminal.line(_MARKS[one["state"]], " ", Styled(one["check"], "bold"), f": {one['says']}")
            if one["hint"]:
                terminal.line("    ", Styled(one["hint"], "dim"))
    context.exit(Exit.DONE if document["healthy"] else Exit.FAILED)
