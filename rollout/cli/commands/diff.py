"""`diff` is for whoever comes back from a holiday, or into an incident: what changed for people, and who changed it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from rollout.cli.gateway import Address, OpenDesk, desk_for
from rollout.cli.identity import actor
from rollout.cli.options import data_folder, reaching
from rollout.cli.past_words import tell_then
from rollout.cli.terminal import Styled, Terminal, stdout
from rollout.cli.times import instant_words
from rollout.service.words import Document


@click.command()
@click.option("--from", "since", required=True, metavar="MOMENT", help='From when: "2018-02-13 18:00 IST", "2h ago".')
@click.option("--to", "until", default="now", show_default=True, metavar="MOMENT", help="Until when.")
@data_folder
@reaching
@click.pass_obj
def command(open_desk: OpenDesk, *, since: str, until: str, data_dir: Path, address: Address, as_json: bool) -> None:
    """What changed for people between two moments.

    For example: rollout diff --from "2018-02-13 18:00 IST" --to "2h ago"

    Flag by flag, as the file has them: who gained and who lost it, what stopped it, what the file says otherwise, and
    who did that, why.
    """
    with desk_for(open_desk, replace(address, data_dir=data_dir)) as desk:
        document = desk.diff(since, until, reader=actor())
    if as_json:
        stdout().json(document)
    else:
        _tell(stdout(), document)


def _tell(terminal: Terminal, document: Document) -> None:
    tell_then(terminal, document["from"])
    tell_then(terminal, document["to"])
    if not document["flags"] and not document["segments"]:
        terminal.line("nothing changed for anybody")
    for flag in document["flags"]:
        terminal.line(Styled(flag["flag"], "bold"), f": {_state_words(flag)}")
        for words in _flag_words(flag):
            terminal.line("  ", words)
    for segment in document["segments"]:
        terminal.line(Styled(f"segment {segment['what']}", "bold"), f": {_edit_words(segment)}")
        terminal.line("  flags that speak of it: ", ", ".join(segment["flags"]) or "none")


def _state_words(flag: Document) -> str:
    before, after = flag["state"]["before"], flag["state"]["after"]
    return (
        f"{flag['change']}, {before or after}" if before is None or before == after else f"{before} → {after or 'gone'}"
    )


def _flag_words(flag: Document) -> Iterator[str]:
    for move in flag["moves"]:
        yield f"{move['audience']}: {move['before']} → {move['after']}"
    for one in flag["excluded"]:
        yield f"excluded: {one['attribute']} {one['value']}"
    for one in flag["readmitted"]:
        yield f"no longer excluded: {one['attribute']} {one['value']}"
    for edit in flag["edits"]:
        yield f"{edit['what']}: {_edit_words(edit)}"
    if flag["entries_in_all"] > len(flag["entries"]):
        yield f"the last {len(flag['entries'])} of {flag['entries_in_all']} changes:"
    for entry in flag["entries"]:
        reason = f": {entry['reason']}" if entry["reason"] else ""
        yield f"{instant_words(entry['at'])} {entry['action']} by {entry['by']}{reason}"


def _edit_words(edit: Document) -> str:
    if edit["before"] is None:
        return f"new: {edit['after']}"
    return f"{edit['before']} → {edit['after'] if edit['after'] is not None else 'gone'}"
