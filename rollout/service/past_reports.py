"""What people are told about a past moment, and about what changed between two, as JSON documents. Fields are only ever
added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from rollout.core.changes import served
from rollout.core.differences import Edit, flag_edits, segment_edits, users_of
from rollout.core.documents import instant_text
from rollout.core.errors import InvalidInput
from rollout.core.progress import Exclusion, FlagRecord
from rollout.service.answers import moves_answer, state_word
from rollout.service.past import Past, Then
from rollout.service.reports import SCHEMA, explain_report, flag_status_report, lines_in_force, status_report
from rollout.service.snapshot import Snapshot

Document: TypeAlias = dict[str, Any]

ATTRIBUTES_NOTE = "with the attributes given in this question; what the app sent then is not recorded"

MOST_ENTRIES = 20
"""As many of the last entries between two moments are told of each flag."""

MOST_READ = 2000
"""Of all that was done between two moments, as many of the last entries are looked into: a worker has one thread. What
differs between the moments is whole all the same, as it comes from their states."""


def explain_then(past: Past, at: str, key: str, given: Mapping[str, object], words: str | None = None) -> Document:
    """The answer that was given then, and why. Raises UnknownFlag, InvalidInput, NotYet, StoreUnavailable."""
    then = past.at(past.moment(at))
    lines = lines_in_force(then.snapshot, past.blob)
    report = explain_report(then.snapshot, key, given, lines, words, past=True)
    return {**report, **_then(then), "attributes": ATTRIBUTES_NOTE}


def status_then(past: Past, at: str) -> Document:
    """Where every flag stood. Of servers, health and what was to come then, nothing is recorded."""
    then = past.at(past.moment(at))
    return {**status_report(then.snapshot), **_then(then)}


def flag_status_then(past: Past, at: str, key: str) -> Document:
    then = past.at(past.moment(at))
    return {**flag_status_report(then.snapshot, key), **_then(then)}


def _then(then: Then) -> Document:
    return {"at": instant_text(then.moment), "in_force": _in_force(then)}


def _in_force(then: Then) -> Document:
    """Which revision and which file counted, and from when on each did."""
    file = then.snapshot.state.file
    return {
        "revision": then.snapshot.revision,
        "since": instant_text(then.since),
        "file": {"name": file.name, "digest": file.digest, "revision": file.revision, "since": instant_text(file.at)}
        if file
        else None,
    }


def diff_report(past: Past, since: str, until: str) -> Document:
    """What changed for people from one moment to another, in the order of the file, and who changed it. Raises
    InvalidInput, NotYet, StoreUnavailable."""
    begin, end = past.moment(since), past.moment(until)
    if begin > end:
        raise InvalidInput(f"{since} is after {until}", "give the earlier moment first")
    before, after = past.at(begin), past.at(end)
    first, last = before.snapshot.revision, after.snapshot.revision
    done = list(past.entries(max(first, last - MOST_READ), last + 1))
    files = [entry for entry in done if "definitions" in entry["after"]]
    lines = lines_in_force(after.snapshot, past.blob)
    flags = (_flag_difference(key, before, after, done) for key in _keys(before, after, lines))
    return {
        **SCHEMA,
        "from": _then(before),
        "to": _then(after),
        "flags": [difference for difference in flags if difference is not None],
        "segments": _segments(before.snapshot, after.snapshot),
        "files": [_entry(entry) for entry in files[-MOST_ENTRIES:]],
        "changes": last - first,
        "changes_read": len(done),
    }


def _keys(before: Then, after: Then, lines: Mapping[str, int]) -> list[str]:
    """Every flag of either moment, as the file of the later one has them, then those that it has not."""
    keys = dict.fromkeys([*after.snapshot.state.records, *before.snapshot.state.records])
    return sorted(keys, key=lambda key: lines.get(f"flags.{key}", len(lines) + 2**31))


def _flag_difference(key: str, before: Then, after: Then, done: Iterable[Document]) -> Document | None:
    had, has = before.snapshot.state.records.get(key), after.snapshot.state.records.get(key)
    entries = [_entry(entry) for entry in done if entry["flag"] == key or key in entry["after"].get("progress", ())]
    difference = {
        "flag": key,
        "change": "added" if had is None else "archived" if has is None else "changed",
        "state": {"before": state_word(had) if had else None, "after": state_word(has) if has else None},
        "moves": moves_answer(served(had), served(has)),
        "excluded": _exclusions(has, had),
        "readmitted": _exclusions(had, has),
        "edits": _edits(flag_edits(had.flag, has.flag)) if had and has else [],
    }
    if had and has and not entries and _is_same(difference):
        return None
    return {**difference, "entries": entries[-MOST_ENTRIES:], "entries_in_all": len(entries)}


def _is_same(difference: Document) -> bool:
    state = difference["state"]
    return state["before"] == state["after"] and not any(
        difference[what] for what in ("moves", "excluded", "readmitted", "edits")
    )


def _exclusions(of: FlagRecord | None, not_of: FlagRecord | None) -> list[Document]:
    known = set(map(_excluded, not_of.progress.excluded)) if not_of else set()
    found = dict.fromkeys(map(_excluded, of.progress.excluded)) if of else {}
    return [{"attribute": attribute, "value": value} for attribute, value in found if (attribute, value) not in known]


def _excluded(exclusion: Exclusion) -> tuple[str, str]:
    return exclusion.attribute, exclusion.value


def _segments(before: Snapshot, after: Snapshot) -> list[Document]:
    """Those that somebody entered or left by another rule or list, and the flags that speak of them."""
    segments = after.state.definitions.segments
    records = after.state.records.values()
    return [
        {**document, "flags": users_of(document["what"], segments, [record.flag for record in records])}
        for document in _edits(segment_edits(before.state.definitions.segments, segments))
    ]


def _edits(edits: Iterable[Edit]) -> list[Document]:
    return [{"what": edit.what, "before": edit.before, "after": edit.after} for edit in edits]


def _entry(entry: Document) -> Document:
    who = {"by": entry["actor"]["id"], "kind": entry["actor"]["kind"]}
    return {**{name: entry[name] for name in ("revision", "at", "action", "reason")}, **who}
