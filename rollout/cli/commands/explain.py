"""`explain` is for support: the answer, the reason and what would change it, before how it came about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from rollout.cli.exits import OFF, Exit
from rollout.cli.gateway import Address, OpenDesk, desk_for
from rollout.cli.options import at_option, data_folder, flag_argument, reaching
from rollout.cli.past_words import tell_then
from rollout.cli.terminal import Styled, Terminal, stdout
from rollout.core.errors import InvalidInput
from rollout.core.flags import TARGETING_ATTRIBUTE
from rollout.service.words import Document

_MARKS = {True: Styled("✓", "green"), False: Styled("✗", "red"), None: Styled("–", "dim")}


@click.command()
@flag_argument
@click.option("--user", help="The person, as the app sends it in user_id.")
@click.option("-c", "--context", "given", multiple=True, metavar="NAME=VALUE", help="An attribute; may be repeated.")
@at_option
@click.option("--words", is_flag=True, help="One sentence that may be read to the person, and nothing else.")
@click.option(
    "--language", default="en", show_default=True, help="Of that sentence: en, hi or nl; of others there is English."
)
@click.option("--test", is_flag=True, help="Exit 0 when it is on, 3 when it is off.")
@data_folder
@reaching
@click.pass_obj
@click.pass_context
def command(
    context: click.Context,
    open_desk: OpenDesk,
    *,
    flag: str,
    user: str | None,
    given: tuple[str, ...],
    at: str | None,
    words: bool,
    language: str,
    test: bool,
    data_dir: Path,
    address: Address,
    as_json: bool,
) -> None:
    """Why somebody has a flag or not.

    For example: rollout explain payments --user u-1 -c country=IN -c app_version=2.18.8

    The answer first, then the first reason, then what would change it, then each step and where in the file it stands.

    With --at the answer of a past moment, made again from the record by the flags and the file that were in force then.
    Straight on the store, what it no longer has is read from the copy in --data-dir.
    """
    subject = _subject(user, given)
    with desk_for(open_desk, replace(address, data_dir=data_dir if at else None), flag) as desk:
        document = desk.explain(flag, subject, at=at, words=language if words else None)
    if as_json:
        stdout().json(document)
    elif words:
        stdout().line(document["words"]["sentence"])
    else:
        _tell(stdout(), document, subject.get(TARGETING_ATTRIBUTE))
    context.exit(OFF if test and not document["on"] else Exit.DONE)


def _subject(user: str | None, given: Sequence[str]) -> dict[str, str]:
    subject = {} if user is None else {TARGETING_ATTRIBUTE: user}
    for text in given:
        name, separator, value = text.partition("=")
        if not name or not separator:
            raise InvalidInput(f"{text!r} is not an attribute with its value", "write -c country=IN")
        if name in subject:
            raise InvalidInput(f"{name} is given twice", "give it once")
        subject[name] = value
    return subject


def _tell(terminal: Terminal, document: Document, user: str | None) -> None:
    answer = Styled("ON", "green") if document["on"] else Styled("OFF", "red")
    whom = user if user is not None else "somebody without a user_id"
    terminal.line(Styled(document["flag"], "bold"), " is ", answer, f" for {whom}", _served(document))
    tell_then(terminal, document)
    terminal.line("because ", document["because"])
    if document["would_change"]:
        terminal.line("what would change it:")
    for change in document["would_change"]:
        terminal.line("  ", change)
    if document["ignored"]:
        terminal.line("ignored, since the file declares no such attribute: ", ", ".join(document["ignored"]))
    if document.get("trusted"):
        terminal.line(
            "trusted, so from an app's own (client) key it is ignored unless signed by a server: ",
            ", ".join(document["trusted"]),
        )
    terminal.line("how it came about:")
    _tell_steps(terminal, document["steps"])


def _served(document: Document) -> str:
    if document["variant"] in ("on", "off"):
        return ""
    return f": variant {document['variant']}" if document["variant"] else ": no value, the app's own default counts"


def _tell_steps(terminal: Terminal, steps: Sequence[Document]) -> None:
    width = max((2 * step["depth"] + len(step["text"]) for step in steps), default=0)
    for step in steps:
        indent = 2 * step["depth"]
        text = f"{step['text']:<{width - indent}}" if step["where"] else step["text"]
        terminal.line(" " * (indent + 2), _MARKS[step["holds"]], f" {text}  ", Styled(step["where"] or "", "dim"))
