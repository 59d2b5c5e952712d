"""The file in force and the versions before it, and what it defines besides flags, as JSON documents. Fields are only
added.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from rollout.core.audit import read_line
from rollout.core.documents import instant_text
from rollout.core.errors import InvalidInput
from rollout.core.flags import Flag
from rollout.core.guard_words import limit_words
from rollout.core.guards import Guard
from rollout.core.progress import State
from rollout.core.progression import Moment
from rollout.core.segments import Segment, segments_in
from rollout.core.wording import condition_words
from rollout.service.encoding import unpack_json
from rollout.service.guarding import Watched, guard_names, verdicts
from rollout.service.ports import FlagStore
from rollout.service.snapshot import Snapshot

Document: TypeAlias = dict[str, Any]

SCHEMA = {"schema_version": 1}

MOST_LOOKED_THROUGH = 1000
"""Audit entries in which versions of the file are looked for."""


def file_document(store: FlagStore, snapshot: Snapshot, revision: int | None = None) -> Document:
    """The text in force, or the one that `revision` brought in force, with the line of everything in it. Without a
    file in force its name is None. Raises InvalidInput for a revision that brought none."""
    if revision is not None:
        return _version(store, _loaded_at(store, revision))
    file = snapshot.state.file
    if file is None:
        return {**SCHEMA, "name": None, "digest": None, "revision": 0, "since": None, "text": "", "lines": {}}
    return {
        **SCHEMA,
        "name": file.name,
        "digest": file.digest,
        "revision": file.revision,
        "since": instant_text(file.at),
        "text": _kept(store, file.text_digest) or "",
        "lines": _kept(store, file.lines_digest) or {},
    }


def _version(store: FlagStore, entry: Document) -> Document:
    after = entry["after"]
    return {
        **SCHEMA,
        "name": after["name"],
        "digest": after["file"],
        "revision": entry["revision"],
        "since": entry["at"],
        "text": _kept(store, after["text"]) or "",
        "lines": _kept(store, after["lines"]) or {},
    }


def _loaded_at(store: FlagStore, revision: int) -> Document:
    lines = store.audit(after=max(revision - 1, 0), before=revision + 1, limit=1)
    entry = read_line(lines[0]) if lines else None
    if entry is None or "text" not in entry["after"]:
        raise InvalidInput(f"revision {revision} brought no file in force", "`rollout audit` says which did")
    return entry


def _kept(store: FlagStore, digest: str) -> Any:
    content = store.blob(digest)
    return unpack_json(content) if content else None


def loads_document(store: FlagStore, before: int | None = None) -> Document:
    """When which version of the file came in force, newest first, as far as the last changes tell."""
    lines = store.audit(before=before, limit=MOST_LOOKED_THROUGH, newest_first=True)
    entries = [entry for entry in map(read_line, lines) if "text" in entry["after"]]
    return {**SCHEMA, "loads": [_load(entry) for entry in entries]}


def _load(entry: Document) -> Document:
    return {
        "revision": entry["revision"],
        "at": entry["at"],
        "by": entry["actor"]["id"],
        "action": entry["action"],
        "reason": entry["reason"],
        "name": entry["after"]["name"],
        "digest": entry["after"]["file"],
        "flags": sorted(entry["after"]["progress"]),
        "archived": list(entry["after"]["archived"]),
    }


def definitions_document(snapshot: Snapshot, moment: Moment, watches: Mapping[str, Watched]) -> Document:
    """Segments and guards in words, who uses them, and what guards say now."""
    state = snapshot.state
    segments = state.definitions.segments.values()
    guards = state.definitions.guards.values()
    found = {
        key: verdicts(record, state, watches.get(key), moment)
        for key, record in state.records.items()
        if guard_names(record)
    }
    return {
        **SCHEMA,
        "revision": snapshot.revision,
        "segments": [_segment(segment, state) for segment in segments],
        "guards": [_guard(guard, state, found) for guard in guards],
    }


def _segment(segment: Segment, state: State) -> Document:
    others = state.definitions.segments.values()
    members = segment.members
    return {
        "name": segment.name,
        "description": segment.description,
        "any": [" and ".join(map(condition_words, match.conditions)) for match in segment.matches],
        "members": {"file": members.file, "count": members.count} if members else None,
        "flags": sorted(key for key, record in state.records.items() if segment.name in _segments_of(record.flag)),
        "segments": sorted(other.name for other in others if segment.name in _segments_in(other)),
    }


def _segments_of(flag: Flag) -> set[str]:
    audiences = {stage.audience for stage in flag.stages} | {flag.audience or ""}
    whole = {flag.rollout.audience} if flag.rollout else set()
    return audiences | whole | {name for rule in flag.rules for name in segments_in(rule.match)}


def _segments_in(segment: Segment) -> set[str]:
    return {name for match in segment.matches for name in segments_in(match)}


def _guard(guard: Guard, state: State, found: Mapping[str, Mapping[str, Any]]) -> Document:
    return {
        "name": guard.name,
        "description": guard.description,
        "metric": guard.metric,
        "counts": list(guard.counts),
        "by": guard.by,
        "limit": limit_words(guard),
        "action": guard.action.value,
        "min_samples": guard.min_samples,
        "confidence": str(guard.confidence),
        "flags": sorted(key for key, record in state.records.items() if guard.name in _guards_of(record.flag)),
        "verdicts": [
            {"flag": key, "verdict": said[guard.name].value}
            for key, said in sorted(found.items())
            if guard.name in said
        ],
    }


def _guards_of(flag: Flag) -> set[str]:
    rollout = flag.rollout
    return {*rollout.guards, *(name for stage in rollout.stages for name in stage.guards)} if rollout else set()
