"""`guard drill` shows that a failing rollout would be stopped, and how soon, without touching anybody."""

from __future__ import annotations

import time

import click

from rollout.cli.drilling import Drill, await_guards, drill_of, send_failures
from rollout.cli.gateway import Address, OpenDesk, desk_for
from rollout.cli.looking import looks
from rollout.cli.options import flag_argument, reaching, read_seconds
from rollout.cli.terminal import stdout
from rollout.service.words import Document

PATIENCE = "3m"
"""A guard judges a minute once it is over."""


@click.command()
@flag_argument
@click.option("--within", default=PATIENCE, show_default=True, metavar="TIME", help="How long to wait for the guards.")
@reaching
@click.pass_obj
def drill(open_desk: OpenDesk, *, flag: str, within: str, address: Address, as_json: bool) -> None:
    """Send marked failures the whole way, and say how soon the guards act.

    For example: rollout guard drill payments

    The failures count for a shadow beside the values that a guard judges: nobody loses the flag and no stage is held.
    The audit says that there was a drill. It takes up to two minutes, since a guard judges a minute once it is over. A
    guard with `min` is not drilled: it acts on silence.
    """
    with desk_for(open_desk, address, flag) as desk:
        status = desk.flag_status(flag)
        one = drill_of(status)
        send_failures(desk, one, status)
        terminal = stdout()
        if not as_json:
            terminal.line(f"{one.outcomes} failures sent; waiting for {', '.join(one.guards)}")
            terminal.flush()

        def tell(guard: str, seconds: float, entry: Document) -> None:
            if not as_json:
                terminal.line(f"{guard} acted after {seconds:.0f} s: {entry['reason']} (revision {entry['revision']})")
                terminal.flush()

        span = read_seconds(within)
        await_guards(one, looks(lambda: desk.audit(flag=flag), span, time.monotonic() + span), tell)
        if as_json:
            terminal.json(_document(one))


def _document(one: Drill) -> Document:
    return {
        "schema_version": 1,
        "flag": one.flag,
        "outcomes": one.outcomes,
        "guards": [
            {"guard": name, "seconds": round(seconds, 1), "revision": entry["revision"], "reason": entry["reason"]}
            for name, (seconds, entry) in one.acted.items()
        ],
    }
