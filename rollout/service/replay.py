"""The state, from the audit alone: what served at any revision is the sum of the entries up to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from rollout.core.audit import read_line
from rollout.core.definitions import FlagFile
from rollout.core.documents import Document, read_ended, read_instant, read_key, read_pending, read_progress
from rollout.core.errors import StoreUnavailable
from rollout.core.loading import load_file
from rollout.core.pending import with_difference
from rollout.core.progress import FileInForce, FlagRecord, State
from rollout.core.progression import Moment
from rollout.service.encoding import unpack_definitions
from rollout.service.operations import with_earlier
from rollout.service.snapshot import FetchBlob


def replay(lines: Iterable[bytes], blob: FetchBlob, state: State | None = None) -> State:
    """The state after these audit lines, oldest first, from `state` or from nothing. Raises StoreUnavailable when
    entries are missing between, or when a version of the file is not kept."""
    state = state or State()
    moved: dict[str, Document] = {}  # since the last file: of each flag only its last entry says where it stands
    revision = state.revision
    for entry in map(read_line, lines):
        if entry.get("note"):  # which changed nothing
            continue
        if entry["revision"] != revision + 1:
            raise StoreUnavailable(f"the audit goes from revision {revision} to {entry['revision']}")
        if "definitions" in entry["after"]:
            state, moved = _file_came(_flags_moved(state, moved, revision), entry, blob), {}
        elif "keys" in entry["after"]:
            state = _keys_changed(state, entry)
        elif "ended" in entry["after"]:
            state = _sessions_ended(state, entry)
        elif entry["after"] != entry["before"]:  # not a guard that warned, or was drilled
            moved[entry["flag"]] = entry
        state = _others_were_asked(state, entry)
        revision = entry["revision"]
    return _flags_moved(state, moved, revision)


def _others_were_asked(state: State, entry: Document) -> State:
    """What waits for approval since, and what no longer does."""
    told = entry.get("pending")
    if told is None:
        return state
    return replace(state, pending=with_difference(state.pending, map(read_pending, told["changed"]), told["gone"]))


def _keys_changed(state: State, entry: Document) -> State:
    """Those that differ are in both documents; whoever is only in the one before was forgotten."""
    after = {document["id"]: read_key(document) for document in entry["after"]["keys"]}
    forgotten = {document["id"] for document in entry["before"]["keys"]} - after.keys()
    keys = {key_id: key for key_id, key in state.keys.items() if key_id not in forgotten}
    return replace(state, keys={**keys, **after})


def _sessions_ended(state: State, entry: Document) -> State:
    """Those that are only in the document before were forgotten."""
    kept = {session: until for session, until in state.ended.items() if session not in entry["before"]["ended"]}
    return replace(state, ended={**kept, **read_ended(entry["after"]["ended"])})


def _flags_moved(state: State, moved: Mapping[str, Document], revision: int) -> State:
    if not moved:
        return state if state.revision == revision else replace(state, revision=revision)
    changed = {key: _moved(state.records[key], entry) for key, entry in moved.items()}
    return replace(state, revision=revision, records={**state.records, **changed})


def _moved(record: FlagRecord, entry: Document) -> FlagRecord:
    return replace(record, progress=read_progress(entry["after"]), revision=entry["revision"])


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
