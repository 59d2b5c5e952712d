"""What a worker answers from: one immutable, compiled snapshot of a revision, swapped whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rollout.core.definitions import Definitions
from rollout.core.errors import StoreUnavailable
from rollout.core.evaluation import Evaluator, compile_ruleset
from rollout.core.members import Membership, open_members
from rollout.core.progress import FlagRecord, State
from rollout.core.ruleset import Ruleset, rules_in_force
from rollout.service.encoding import decode_record, decode_state
from rollout.service.ports import Change, Stored

FetchBlob = Callable[[str], bytes | None]


@dataclass(frozen=True, slots=True)
class Snapshot:
    state: State
    evaluator: Evaluator
    documents: Mapping[str, bytes] = field(default_factory=dict)  # flag key -> its record as stored
    shared: bytes | None = None
    written_at_ms: int = 0
    members: Mapping[str, Membership] = field(default_factory=dict)  # digest -> member list

    @property
    def revision(self) -> int:
        return self.state.revision


def empty_snapshot() -> Snapshot:
    ruleset = Ruleset(0, {}, {}, {})
    return Snapshot(State(), Evaluator(ruleset, {}))


def take_snapshot(stored: Stored, blob: FetchBlob, previous: Snapshot) -> Snapshot:
    """Everything as stored, compiling only what differs from `previous`. Raises StoreUnavailable when a member list
    that is in force cannot be had."""
    if stored.shared is not None and stored.shared == previous.shared:
        definitions, state = previous.state.definitions, replace(previous.state, revision=stored.revision)
    else:
        state = decode_state(replace(stored, flags={}))
        definitions = _keep_equal(state.definitions, previous.state.definitions)
    records = {key: _record(key, document, previous) for key, document in stored.flags.items()}
    state = replace(state, definitions=definitions, records=records)
    members = _members(definitions, blob, previous)
    evaluator = _compile(state, members, previous)
    return Snapshot(state, evaluator, dict(stored.flags), stored.shared, stored.written_at_ms, members)


def snapshot_of(state: State, blob: FetchBlob, previous: Snapshot) -> Snapshot:
    """Any state, ready to be asked. Nothing that `previous` has already is fetched or compiled again. Raises
    StoreUnavailable when a member list cannot be had."""
    state = replace(state, definitions=_keep_equal(state.definitions, previous.state.definitions))
    members = _members(state.definitions, blob, previous)
    return Snapshot(state, _compile(state, members, previous), members=members)


def together(changes: Sequence[Change]) -> Change:
    """Several changes in a row as one, so that a storm of them is compiled once. At least one, none of them whole."""
    flags = {key: document for change in changes for key, document in change.flags.items()}
    return Change(changes[-1].revision, flags)


def next_snapshot(change: Change, previous: Snapshot) -> Snapshot:
    """`previous` with what changed a few flags since."""
    documents = dict(previous.documents)
    records = dict(previous.state.records)
    for key, document in change.flags.items():
        if document is None:
            documents.pop(key, None)
            records.pop(key, None)
        else:
            documents[key] = document
            records[key] = decode_record(document)
    state = replace(previous.state, revision=change.revision, records=records)
    rules = {key: one for key, one in previous.evaluator.ruleset.flags.items() if key in records}
    rules |= {key: rules_in_force(records[key]) for key in change.flags if key in records}
    ruleset = replace(previous.evaluator.ruleset, revision=change.revision, flags=rules)
    evaluator = compile_ruleset(ruleset, previous.members, previous.evaluator)
    return replace(previous, state=state, evaluator=evaluator, documents=documents)


def parts_of(snapshot: Snapshot) -> list[object]:
    """Everything in a snapshot that there is one of for each flag."""
    evaluator = snapshot.evaluator
    by_flag = (snapshot.state.records, evaluator.ruleset.flags, evaluator.flags, evaluator.plain, snapshot.documents)
    return [part for parts in by_flag for part in parts.values()]


def _record(key: str, document: bytes, previous: Snapshot) -> FlagRecord:
    if previous.documents.get(key) == document:
        return previous.state.records[key]
    return decode_record(document)


def _keep_equal(now: Definitions, before: Definitions) -> Definitions:
    """The very objects of before where nothing differs, so that what was compiled from them stays."""
    return replace(
        now,
        attributes=before.attributes if now.attributes == before.attributes else now.attributes,
        segments=before.segments if now.segments == before.segments else now.segments,
    )


def _compile(state: State, members: Mapping[str, Membership], previous: Snapshot) -> Evaluator:
    before = previous.state.records
    rules = previous.evaluator.ruleset.flags
    flags = {
        key: rules[key] if before.get(key) is record and key in rules else rules_in_force(record)
        for key, record in state.records.items()
    }
    ruleset = Ruleset(state.revision, state.definitions.attributes, state.definitions.segments, flags)
    return compile_ruleset(ruleset, members, previous.evaluator)


def _members(definitions: Definitions, blob: FetchBlob, previous: Snapshot) -> dict[str, Membership]:
    digests = [segment.members.digest for segment in definitions.segments.values() if segment.members]
    return {digest: previous.members.get(digest) or _membership(digest, blob(digest)) for digest in digests}


def _membership(digest: str, packed: bytes | None) -> Membership:
    if packed is None:
        raise StoreUnavailable(f"the store has no member list {digest[:12]}", "apply the file again")
    return open_members(packed)
