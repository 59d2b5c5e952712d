"""`audit` is the record of every change: for an auditor a file of it, for an operator what just happened."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rollout.cli.approvals import approval_words
from rollout.cli.defaults import WithDefault
from rollout.cli.gateway import Address, OpenDesk, desk_for
from rollout.cli.identity import actor
from rollout.cli.options import as_json, data_folder, reaching
from rollout.cli.terminal import Styled, Terminal, stdout
from rollout.cli.times import instant_words
from rollout.cli.verified import tell_export, tell_verified
from rollout.core.chain import place_of, place_text
from rollout.service.export.quarters import read_quarter
from rollout.service.words import Document, progress_words

if TYPE_CHECKING:
    from rollout.service.desk import Desk

COLUMNS = ("revision", "at", "actor", "action", "flag", "before", "after", "reason")
"""Of the tab-separated form: only ever added to, at the end."""

NOTE_COLUMNS = ("place", "at", "actor", "action", "flag", "count", "about")

PAGE = 500  # entries that are asked for at once


@click.group("audit", cls=WithDefault, default="list")
def command() -> None:
    """Who changed what, when and why; newest first.

    `rollout audit [FLAG]` lists changes: with FLAG only what concerns it, files that changed it included.
    """


@command.command("list")
@click.argument("flag", required=False)
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="How many entries at most.")
@click.option("--before", type=click.IntRange(min=1), help="Only entries before this revision.")
@reaching
@click.pass_obj
def list_command(
    open_desk: OpenDesk, *, flag: str | None, limit: int, before: int | None, address: Address, as_json: bool
) -> None:
    """Who changed what, when and why; newest first.

    With FLAG only what concerns it, files that changed it included.
    """
    with desk_for(open_desk, address, flag) as desk:
        entries = list(islice(_entries(desk, flag, limit, before), limit))
    if as_json:
        more = entries[-1]["revision"] if len(entries) == limit else None
        stdout().json({"schema_version": 1, "entries": entries, "next_before": more})
        return
    _tell(stdout(), entries, flag)


@command.command("notes")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="How many at most.")
@reaching
@click.pass_obj
def notes_command(open_desk: OpenDesk, *, limit: int, address: Address, as_json: bool) -> None:
    """What was noted although it changed nothing; newest first.

    Attempts that were refused, files that were not loaded, and who read the audit or took copies of it.
    """
    with desk_for(open_desk, address) as desk:
        entries = list(islice(_notes(desk, limit), limit))
    if as_json:
        more = place_text(place_of(entries[-1])) if len(entries) == limit else None
        stdout().json({"schema_version": 1, "entries": entries, "next_before": more})
        return
    stdout().table(NOTE_COLUMNS, [_note_row(entry) for entry in entries])


@command.command("verify")
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--anchors", type=click.Path(path_type=Path), help="Anchors that were kept elsewhere, to hold against it."
)
@click.option("--key", metavar="HEX", help="The public key that they must be signed with, as `audit key` printed it.")
@data_folder
@as_json
def verify_command(*, folder: Path | None, anchors: Path | None, key: str | None, data_dir: Path, as_json: bool) -> int:
    """Whether the record on disk is what it was.

    Reads the record in DIR, by default that of this server, from the first entry to the last: that each follows the one
    before, that the anchors which were signed on the way stand on it, and that all entries together give the state in
    force. DIR may also be an export. Whatever does not hold is said, with the first bad entry; the exit code is then 1.
    """
    from rollout.cli.verifying import verify_export, verify_folder  # noqa: PLC0415  # needs cryptography

    if folder and (folder / "manifest.json").exists():
        return tell_export(verify_export(folder, key), as_json)
    verified = verify_folder(folder or data_dir / "audit", anchors, key)
    return tell_verified(verified, as_json, compared=key is not None)


@command.command("export")
@click.option("--quarter", required=True, metavar="2018Q1", help="Which three months, in UTC.")
@click.option("-o", "--output", "folder", required=True, type=click.Path(path_type=Path), help="A folder, made anew.")
@click.option("-m", "--reason", default="", help="For whom, for the audit.")
@data_folder
@reaching
@click.pass_obj
def export_command(
    open_desk: OpenDesk,
    *,
    quarter: str,
    folder: Path,
    reason: str,
    data_dir: Path,
    address: Address,
    as_json: bool,
) -> None:
    """A quarter of the record, for an auditor.

    Made from the copy on this server's disk: the entries, tables for people, every version of the flags file that was
    in force, who let more people have what, what guards found, a report to read and print, proofs, a signature, and a
    verify.py that the auditor runs on the folder. That it was taken is itself an entry, so the service must be reached.
    """
    from rollout.cli.exporting import export  # noqa: PLC0415  # needs cryptography, which a kill does without

    with desk_for(open_desk, address) as desk:
        manifest = export(desk, read_quarter(quarter), folder, data_dir, reason)
    if as_json:
        stdout().json({"schema_version": 1, "folder": str(folder), "manifest": manifest})
        return
    last = manifest["last"]
    stdout().line(f"{folder}: {manifest['entries']} entries of {manifest['quarter']}; root of all {last['size']}:")
    stdout().line(last["root"])


@command.command("recover")
@click.option("--accept-store", is_flag=True, help="What the store has shall count, whatever this copy has.")
@click.option("-m", "--reason", default="", help="Why, for the audit.")
@click.option("--redis-url", envvar="ROLLOUT_REDIS_URL", show_envvar=True, help="The store; else the embedded one.")
@click.option(
    "--namespace",
    envvar="ROLLOUT_NAMESPACE",
    show_envvar=True,
    default="rollout",
    show_default=True,
    help="The prefix of all keys in the store.",
)
@data_folder
@as_json
def recover_command(
    *, accept_store: bool, reason: str, redis_url: str | None, namespace: str, data_dir: Path, as_json: bool
) -> None:
    """Give the store back what it lost.

    Where a backup was restored, or a failover lost writes, this server's copy has the entries that are missing. They
    and the state that they give are written to the store, and raises are allowed again. Run it on the server that
    `rollout status` names, while its store runs.
    """
    from rollout.cli.recovering import recover_store  # noqa: PLC0415

    recovered = recover_store(data_dir, redis_url, namespace, reason, accept=accept_store)
    if as_json:
        stdout().json({"schema_version": 1, "given_back": recovered.entries, "place": recovered.place})
        return
    stdout().line(f"gave back {recovered.entries} entries; the store stands at {recovered.place}")
    if accept_store:
        folder = data_dir / "audit"
        stdout().line(f"now stop the service, move {folder} and {data_dir / 'snapshot.json'} away, and start it again")


@command.command("key")
@data_folder
@as_json
def key_command(*, data_dir: Path, as_json: bool) -> None:
    """The public key of this server's record.

    An auditor who was given it once can tell anchors and exports of this server from others.
    """
    from rollout.cli.verifying import public_key  # noqa: PLC0415

    key = public_key(data_dir)
    if as_json:
        stdout().json({"schema_version": 1, "key": key})
        return
    stdout().line(key)


def _notes(desk: Desk, limit: int) -> Iterator[Document]:
    before: str | None = None
    while True:
        page = desk.notes(limit=min(limit, PAGE), before=before, reader=actor())
        yield from page["entries"]
        before = page["next_before"]
        if before is None:
            return


def _note_row(entry: Document) -> list[str]:
    about = dict(entry["after"])
    count = str(about.pop("count", 1))
    said = " ".join(str(value) for value in about.values() if value != "")
    return [
        place_text(place_of(entry)),
        entry["at"],
        entry["actor"]["id"],
        entry["action"],
        entry["flag"],
        count,
        said,
    ]


def _entries(desk: Desk, flag: str | None, limit: int, before: int | None) -> Iterator[Document]:
    while True:
        page = desk.audit(flag=flag, limit=min(limit, PAGE), before=before, reader=actor())
        yield from page["entries"]
        before = page["next_before"]
        if before is None:
            return


def _tell(terminal: Terminal, entries: list[Document], flag: str | None) -> None:
    if not terminal.is_terminal:
        terminal.table(COLUMNS, [_row(entry, flag) for entry in entries])
        return
    for entry in entries:
        _tell_entry(terminal, entry, flag)
    if not entries:
        terminal.line("nothing was changed yet")


def _row(entry: Document, flag: str | None) -> list[str]:
    before, after = _before_and_after(entry, flag)
    return [
        str(entry["revision"]),
        entry["at"],
        entry["actor"]["id"],
        entry["action"],
        entry["flag"],
        before,
        after,
        entry["reason"],
    ]


def _tell_entry(terminal: Terminal, entry: Document, flag: str | None) -> None:
    before, after = _before_and_after(entry, flag)
    what = f"{entry['action']} {entry['flag'] or entry['after'].get('name', '')}".rstrip()
    host = entry["origin"]["host"]
    who = f"by {entry['actor']['id']}" + (f" on {host}" if host else "")
    revision = Styled(f"{entry['revision']:>5}", "dim")
    terminal.line(revision, f"  {instant_words(entry['at'])}  ", Styled(what, "bold"), f"  {who}")
    if before:
        terminal.line(f"       {before} → {after}")
    if entry["reason"]:
        terminal.line(f"       why: {entry['reason']}")
    for line in approval_words(entry):
        terminal.line(f"       {line}")


def _before_and_after(entry: Document, flag: str | None) -> tuple[str, str]:
    if entry["flag"]:
        return progress_words(entry["before"]), progress_words(entry["after"])
    before, after = entry["before"], entry["after"]
    if not after and "pending" in entry:
        return "", "; ".join(approval_words(entry))
    if "keys" in after:
        return _keys_words(before["keys"]), _keys_words(after["keys"])
    if "ended" in after:
        return "logged in", "the session ended on every server"
    return _file_words(before.get("file", "")), f"{_file_words(after.get('file', ''))}{_touched(after, flag)}"


def _file_words(digest: str) -> str:
    return f"file {digest[:12]}" if digest else "no file"


def _keys_words(keys: list[Document]) -> str:
    """ "client key k2j9x0a7b1cd for android-app"; "no key"."""
    return ", ".join(f"{_key_state(key)}{key['role']} key {key['id']} for {key['name']}" for key in keys) or "no key"


def _key_state(key: Document) -> str:
    return "revoked " if "revoked" in key else ""


def _touched(after: Document, flag: str | None) -> str:
    """Which flags a file changed, and where they stand after it."""
    progress = after.get("progress", {})
    named = {key: position for key, position in progress.items() if flag in (None, key)}
    said = [f"{key} ({progress_words(position)})" for key, position in named.items()]
    said += [f"{key} (archived)" for key in after.get("archived", ()) if flag in (None, key)]
    return f": {', '.join(said)}" if said else ""
