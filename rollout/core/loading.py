"""Loading a version of flags.yaml as a whole: which flags change, which are missing from it, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from rollout.core.attributes import Attribute
from rollout.core.changes import load_flag
from rollout.core.definitions import Definitions, FlagFile
from rollout.core.errors import RefusedByRule
from rollout.core.flags import Flag, ValueType
from rollout.core.progress import FlagRecord, Progress, State
from rollout.core.progression import Moment, with_bake
from rollout.core.segments import Segment, segments_in


@dataclass(frozen=True, slots=True)
class Load:
    """What loading a file does: the state after it, and the flags that differ from before."""

    after: State
    changed: tuple[str, ...]
    dropped: tuple[str, ...]  # in force, but missing from the file
    archived: tuple[str, ...]  # of these, gone for good


def load_file(state: State, file: FlagFile, revision: int, moment: Moment, *, prune: bool = False) -> Load:
    """What `revision` is if it brings this file in force. `state.file` is left for the caller to renew.

    With `prune`, flags that are missing from the file are archived; otherwise they go on as they were. Raises
    RefusedByRule for a file that drops more than half of the flags, that uses an archived key again, or, with `prune`,
    that drops a flag which another one requires.
    """
    flags = file.definitions.flags
    dropped = tuple(key for key in state.records if key not in flags)
    _refuse_archived_keys(state, flags)
    _refuse_dropping_most(state, dropped)
    if prune:
        _refuse_dropping_required(flags, dropped)
    kept = [] if prune else [replace(state.records[key], in_file=False) for key in dropped]
    wanted = [_loaded(state.records.get(flag.key), flag, revision, moment) for flag in flags.values()]
    records = {record.flag.key: _unless_same(state, record, revision) for record in [*wanted, *kept]}
    after = replace(
        state,
        revision=revision,
        definitions=_with_what_is_needed(file.definitions, state.definitions, kept, records),
        records=records,
        archived=state.archived.union(dropped if prune else ()),
    )
    changed = tuple(key for key, record in records.items() if record is not state.records.get(key))
    return Load(after, changed, dropped, dropped if prune else ())


def _loaded(before: FlagRecord | None, flag: Flag, revision: int, moment: Moment) -> FlagRecord:
    progress = with_bake(before.progress if before else Progress(), load_flag(before, flag), moment)
    return FlagRecord(flag, progress, revision)


def _unless_same(state: State, record: FlagRecord, revision: int) -> FlagRecord:
    """The record as it was where nothing but the revision would change, so that unrelated edits change nothing."""
    before = state.records.get(record.flag.key)
    after = replace(record, revision=revision)
    if before is None or replace(before, revision=revision) != after:
        return after
    return before if _same_values(before.flag, after.flag) else after


def _same_values(flag: Flag, other: Flag) -> bool:
    """Of flags that are equal. To Python 1, 1.0 and True are equal; to those who are served a variant they are not."""
    if flag.type is not ValueType.OBJECT:
        return True
    return json.dumps(dict(flag.variants), sort_keys=True) == json.dumps(dict(other.variants), sort_keys=True)


def _refuse_archived_keys(state: State, flags: Mapping[str, Flag]) -> None:
    again = [key for key in flags if key in state.archived]
    if again:
        raise RefusedByRule(
            f"{', '.join(again[:5])}: archived, and an archived key is never used again",
            "old apps may still ask for it; choose another key",
        )


def _refuse_dropping_most(state: State, dropped: tuple[str, ...]) -> None:
    in_file = [key for key, record in state.records.items() if record.in_file]
    newly = [key for key in dropped if state.records[key].in_file]
    if 2 * len(newly) > len(in_file):
        raise RefusedByRule(
            f"the file drops {len(newly)} of {len(in_file)} flags, more than half",
            "is it the right file? take flags out in smaller steps",
        )


def _refuse_dropping_required(flags: Mapping[str, Flag], dropped: tuple[str, ...]) -> None:
    for flag in flags.values():
        lost = [key for key in flag.requires if key in dropped]
        if lost:
            raise RefusedByRule(f"{flag.key} requires {lost[0]}, which would be archived")


def _with_what_is_needed(
    wanted: Definitions, before: Definitions, kept: list[FlagRecord], records: Mapping[str, FlagRecord]
) -> Definitions:
    """What the file defines, and of what it no longer defines all that flags which go on as they were, and the
    exclusions of any, rest upon."""
    needed = dict.fromkeys(name for record in kept for name in _segments_of(record.flag))
    segments = dict(wanted.segments)
    for name in _with_inner(needed, before.segments):
        segments.setdefault(name, before.segments[name])
    attributes = {**before.attributes, **wanted.attributes} if kept else _with_excluded(wanted, before, records)
    guards = {**before.guards, **wanted.guards} if kept else wanted.guards
    windows = {**before.windows, **wanted.windows} if kept else wanted.windows
    return Definitions(
        attributes=attributes, segments=segments, guards=guards, windows=windows, approvals=wanted.approvals
    )


def _with_excluded(
    wanted: Definitions, before: Definitions, records: Mapping[str, FlagRecord]
) -> Mapping[str, Attribute]:
    """Taking an attribute out of the file must not let those back in whom a guard excluded by it."""
    names = dict.fromkeys(one.attribute for record in records.values() for one in record.progress.excluded)
    lost = {name: before.attributes[name] for name in names if name not in wanted.attributes}
    return {**lost, **wanted.attributes} if lost else wanted.attributes


def _segments_of(flag: Flag) -> list[str]:
    named = [name for rule in flag.rules for name in segments_in(rule.match)]
    return named + [stage.audience for stage in flag.stages]


def _with_inner(names: Iterable[str], segments: Mapping[str, Segment]) -> list[str]:
    """These segments and all that are inside them, of those that there are."""
    found: list[str] = []
    waiting = [name for name in names if name in segments]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.append(name)
            waiting += [inner for match in segments[name].matches for inner in segments_in(match)]
    return found
