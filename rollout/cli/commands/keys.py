"""`keys` makes, lists, rotates and revokes callers' keys. A secret is shown once, alone on standard output, so that it
can go straight into a file or a vault.
"""

from __future__ import annotations

from typing import Any

import click

from rollout.cli.exits import SecretLost
from rollout.cli.gateway import Address, OpenDesk, desk_for
from rollout.cli.identity import actor
from rollout.cli.options import reaching
from rollout.cli.terminal import Styled, Terminal, stderr, stdout
from rollout.cli.times import instant_words
from rollout.core.keys import HIGHEST_RATE, Role
from rollout.service.operations import Request
from rollout.service.words import Document

COLUMNS = ("id", "role", "name", "state", "expires", "last_used", "created", "created_by", "rate", "replaced_by")
"""Of the tab-separated form: only ever added to, at the end."""

_STYLES = {"live": "green", "expired": "yellow", "revoked": "red"}

reason_option = click.option("-m", "--reason", default="", help="Why, for the audit.")
expires_option = click.option("--expires", metavar="TIME", help="How long it works, such as 90d. Without it: for ever.")


@click.group()
def command() -> None:
    """Make, list, rotate and revoke callers' keys.

    Without any key the service is open to everybody on its own machine, and to nobody else. From the first one on,
    which is an admin's, every caller needs one. Straight on the store (--url redis://…) no key is asked for.
    """


@command.command()
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]), help="What it may do.")
@click.option("--name", required=True, help="Whose it is: who the audit says did something.")
@expires_option
@click.option(
    "--rate", type=click.IntRange(1, HIGHEST_RATE), help="Requests a second that each worker answers at most."
)
@reason_option
@reaching
@click.pass_obj
def create(
    open_desk: OpenDesk,
    *,
    role: str,
    name: str,
    expires: str | None,
    rate: int | None,
    reason: str,
    address: Address,
    as_json: bool,
) -> None:
    """Make a key, and show it this once.

    For example: rollout keys create --role client --name android-app

    client evaluates flags that are not marked client: false; server evaluates all, reads the ruleset and reports
    outcomes; support reads status, explanations and the audit; operator also changes; admin also applies files,
    approves and looks after keys; auditor exports and verifies the audit, and explains.
    """
    with desk_for(open_desk, address) as desk:
        answer = desk.create_key(role, name, Request(actor(), reason), expires=expires, rate=rate)
    _show(answer, as_json)


@command.command("list")
@reaching
@click.pass_obj
def list_keys(open_desk: OpenDesk, *, address: Address, as_json: bool) -> None:
    """Every key, with the hour in which it was used last."""
    with desk_for(open_desk, address) as desk:
        document = desk.list_keys()
    if as_json:
        stdout().json(document)
        return
    terminal = stdout()
    terminal.table(COLUMNS, [_row(key, terminal) for key in document["keys"]], ("rate", "replaced_by", "created_by"))


@command.command()
@click.argument("key")
@click.option("--overlap", metavar="TIME", help="How long the old one works on.  [default: 24h]")
@expires_option
@reason_option
@reaching
@click.pass_obj
def rotate(
    open_desk: OpenDesk,
    *,
    key: str,
    overlap: str | None,
    expires: str | None,
    reason: str,
    address: Address,
    as_json: bool,
) -> None:
    """Make a key that takes over from KEY (its id), and show it this once.

    Both work during the overlap; --overlap 0s ends the old one at once. Without --expires it lasts as long as the old
    one did.
    """
    with desk_for(open_desk, address) as desk:
        answer = desk.rotate_key(key, Request(actor(), reason), overlap=overlap, expires=expires)
    _show(answer, as_json)


@command.command()
@click.argument("key")
@reason_option
@reaching
@click.pass_obj
def revoke(open_desk: OpenDesk, *, key: str, reason: str, address: Address, as_json: bool) -> None:
    """Have KEY (its id) work nowhere any more, within two seconds."""
    with desk_for(open_desk, address) as desk:
        answer = desk.revoke_key(key, Request(actor(), reason))
    if as_json:
        stdout().json({"schema_version": 1, **answer})
    elif answer["changed"]:
        stdout().line(f"key {key} is revoked: revision {answer['revision']}")
    else:
        stdout().line(f"nothing to change: key {key} was revoked before")


def _show(answer: dict[str, Any], as_json: bool) -> None:
    made = answer["keys"][-1]
    if answer["secret"] is None:
        raise SecretLost(
            f"key {made['id']} was made, but the answer with its secret was lost",
            f"`rollout keys rotate {made['id']} --overlap 0s` makes another in its place",
        )
    if as_json:
        stdout().json({"schema_version": 1, **answer})
        return
    _tell(stderr(), made)
    stdout().line(answer["secret"])


def _tell(terminal: Terminal, made: Document) -> None:
    ends = f", until {instant_words(made['expires_at'])}" if made["expires_at"] else ""
    terminal.line(Styled(f"{made['role']} key {made['id']}", "bold"), f" for {made['name']}{ends}. Shown this once:")


def _row(key: Document, terminal: Terminal) -> list[str | Styled]:
    def time(text: str | None) -> str:
        return instant_words(text) if text and terminal.is_terminal else text or ""

    return [
        key["id"],
        key["role"],
        key["name"],
        Styled(key["state"], _STYLES.get(key["state"], "dim")),
        time(key["expires_at"]) or "never",
        time(key["last_used"]) or "never",
        time(key["created_at"]),
        key.get("created_by", ""),
        str(key["rate"] or ""),
        key.get("replaced_by", ""),
    ]
