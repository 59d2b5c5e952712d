"""The state, from the audit alone: what served at any revision is the sum of the entries up to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rollout.core.audit import read_line
from rollout.core.definitions import FlagFile
from rollout.core.documents import Document, read_instant, read_key, read_progress
from rollout.core.errors import StoreUnavailable
from rollout.core.loading import load_file
from rollout.core.progress import FileInForce, State
from rollout.core.progression import Moment
from rollout.service.encoding import unpack_definitions
from rollout.service.operations import with_earlier
from rollout.service.snapshot import FetchBlob


def replay(lines: Iterable[bytes], blob: FetchBlob, state: State | None = None) -> State:
    """The state after these audit lines, oldest first, from `state` or from nothing. Raises StoreUnavailable when
    entries are missing between, or when a version of the file is not kept."""
    state = state or State()
    for entry in map(read_line, lines):
        if entry.get("note"):  # which changed nothing
            continue
        if entry["revision"] != state.revision + 1:
            raise StoreUnavailable(f"the audit goes from revision {state.revision} to {entry['revision']}")
        state = _after(state, entry, blob)
    return state


def _after(state: State, entry: Document, blob: FetchBlob) -> State:
    if "definitions" in entry["after"]:
        return _file_came(state, entry, blob)
    return _keys_changed(state, entry) if "keys" in entry["after"] else _flag_changed(state, entry)


def _keys_changed(state: State, entry: Document) -> State:
    """Those that differ are in both documents; whoever is only in the one before was forgotten."""
    after = {document["id"]: read_key(document) for document in entry["after"]["keys"]}
    forgotten = {document["id"] for document in entry["before"]["keys"]} - after.keys()
    keys = {key_id: key for key_id, key in state.keys.items() if key_id not in forgotten}
    return replace(state, revision=entry["revision"], keys={**keys, **after})


def _flag_changed(state: State, entry: Document) -> State:
    if entry["after"] == entry["before"]:  # a guard warned, or was drilled
        return replace(state, revision=entry["revision"])
    record = state.records[entry["flag"]]
    changed = replace(record, progress=read_progress(entry["after"]), revision=entry["revision"])
    return replace(state, revision=entry["revision"], records={**state.records, entry["flag"]: changed})


def _file_came(state: State, entry: Document, blob: FetchBlob) -> State:
    """Which flags there are comes from the file; where they stand, from what was written then."""
    revision, after = entry["revision"], entry["after"]
    content = blob(after["definitions"])
    if content is None:
        raise StoreUnavailable(f"the file of revision {revision} is not kept")
    file = FlagFile(after["name"], after["file"], "", unpack_definitions(content))
    load = load_file(state, file, revision, Moment(read_instant(entry["at"])), prune=bool(after["archived"]))
    told = {key: read_progress(progress) for key, progress in after["progress"].items()}
    records = {
        key: replace(record, progress=told[key]) if key in told else record
        for key, record in load.after.records.items()
    }
    force = FileInForce(
        after["name"], after["file"], after["text"], after["lines"], revision, read_instant(entry["at"])
    )
    return replace(load.after, records=records, file=force, earlier_files=with_earlier(state))
