"""The only writer. Each operation reads what it is about, asks the core what comes of it, and commits that together
with its audit entry, on the condition that nothing moved meanwhile.

Every operation answers a document: what was, what is, who gains and loses, and the command that undoes it. Whoever
repeats a request id gets the first answer, and nothing is done twice.
"""

from __future__ import annotations

import random
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from rollout.core import changes
from rollout.core.audit import Actor, Entry, canonical_line, read_line
from rollout.core.containment import Listed, only_the_same
from rollout.core.definitions import FlagFile
from rollout.core.direction import Raise, beyond, is_own_step, raises
from rollout.core.documents import Document, ended_document, key_document, pending_document, progress_document
from rollout.core.errors import InvalidInput, OutdatedView, RefusedByRule, RevisionConflict, RolloutError, UnknownFlag
from rollout.core.flags import FLAG_KEY
from rollout.core.keys import Key, Keys
from rollout.core.loading import load_file
from rollout.core.merkle import EMPTY, leaf_hash
from rollout.core.pending import Pending, undecided, without
from rollout.core.progress import FileInForce, FlagRecord, Progress, State, Stop
from rollout.core.progression import Moment, with_bake
from rollout.core.segments import EVERYONE
from rollout.core.sessions import Ended
from rollout.core.shares import Share
from rollout.core.watch_documents import finding_document
from rollout.core.watching import Finding, begun_anew, failing, tripped
from rollout.service.answers import Answer, change_answer, decision_answer, keys_answer, load_answer
from rollout.service.approving import Wanted, actor_of, approval_answer, listed_by, pending_difference, rule
from rollout.service.encoding import (
    KeptFile,
    decode_answer,
    decode_record,
    decode_state,
    decode_watch,
    encode_answer,
    encode_record,
    encode_shared,
    encode_watch,
    file_blobs,
    read_kept_file,
)
from rollout.service.ports import Commit, FlagStore, Judged, Note, Stored

Transition: TypeAlias = Callable[[FlagRecord, Stop], Progress]
"""What becomes of a flag; the stop says who, when and why, for those transitions that stop something."""

KeysTransition: TypeAlias = Callable[[Keys, Stop], Keys]
"""What becomes of the keys; the stop says who, when and why."""

SessionsTransition: TypeAlias = Callable[[Ended, datetime], Ended]
"""What becomes of the sessions that have ended, at this time."""

Word: TypeAlias = Callable[[State, Pending, datetime], Pending | None]
"""What somebody's word makes of a change that waits; None: it waits no longer, and nothing is done."""

ATTEMPTS = 100
"""How often a change is tried anew when others write at the same time. Forty writers need about as many."""

MAX_REASON = 1000  # characters
PAGE = 1000  # audit lines read at a time
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_EARLIER = 1000  # versions of the file that are known to have been in force


_HALF_A_CHARACTER = re.compile(r"[\ud800-\udfff]")
"""What is left of text that was not UTF-8. No store can keep it."""


@dataclass(frozen=True, slots=True)
class Request:
    """The circumstances of a change: who wants it, why, and having seen what."""

    actor: Actor
    reason: str = ""
    seen_revision: int | None = None  # what concerns the flag must not have changed since; None: whatever it is now
    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    dry_run: bool = False
    break_glass: bool = False  # alone, where it takes more than one person
    approved: Pending | None = None  # with everybody's agreement, by `approve` alone
    ticket: str = ""  # where else the change is written about


@dataclass(frozen=True, slots=True)
class _Draft:
    """What a commit shall write, before it has a revision."""

    action: str
    before: Document
    after: Document
    answer: Answer
    flags: dict[str, bytes | None]
    flag: str | None = None
    state: State | None = None  # whose shared document is written
    blobs: Mapping[str, bytes] = field(default_factory=dict)
    watch: Judged | None = None  # the flag's, before and after
    finding: Document | None = None  # of a guard, for the record
    approvals: tuple[Document, ...] = ()
    pending: Document | None = None  # what waits since, and what no longer does, for the record


Refused: TypeAlias = Callable[[str, str | None, Request, RolloutError], None]
"""Hears of the action, the flag's key, who wanted it, and why not."""


class Operations:
    """`refused` hears of each attempt that comes to nothing."""

    def __init__(self, store: FlagStore, refused: Refused = lambda *_: None) -> None:
        self._store = store
        self._refused = refused

    def set_share(
        self, key: str, share: Share, request: Request, *, audience: str | None = None, beyond_plan: bool = False
    ) -> Answer:
        """To this share of the rollout's audience, and hold there. Raises UnknownFlag, RefusedByRule (no rollout,
        locked, beyond the plan), RevisionConflict, StoreUnavailable."""

        def transition(record: FlagRecord, stop: Stop) -> Progress:
            return changes.set_share(record, audience or _audience(record), share, stop, beyond_plan=beyond_plan)

        content: Document = {"share": str(share), "audience": audience, "beyond_plan": beyond_plan}
        return self._change("set", key, transition, request, content)

    def kill(self, key: str, request: Request) -> Answer:
        """Off for everyone, now. Raises UnknownFlag, RevisionConflict, StoreUnavailable."""
        return self._change("kill", key, changes.kill, request)

    def revive(self, key: str, request: Request) -> Answer:
        """Lifts a kill; halted until resumed. Raises UnknownFlag, RefusedByRule, RevisionConflict, StoreUnavailable."""
        return self._change("revive", key, changes.revive, request)

    def advance(self, key: str, request: Request, *, to: str | None = None) -> Answer:
        """To the next stage, or to the one called `to`, baked or not; approves it. Raises UnknownFlag, RefusedByRule
        (halted, killed, locked, done), RevisionConflict, StoreUnavailable."""
        return self._change("advance", key, lambda record, _: changes.advance(record, to), request, {"to": to})

    def halt(self, key: str, request: Request) -> Answer:
        """Stops moving; those who have it keep it. Raises UnknownFlag, RefusedByRule (no rollout), RevisionConflict,
        StoreUnavailable."""
        return self._change("halt", key, changes.halt, request)

    def resume(self, key: str, request: Request, *, value: str | None = None) -> Answer:
        """Moves again; or, with `value`, gives the flag back to those whom a guard excluded by it, and nothing else.
        Raises UnknownFlag, RefusedByRule (not halted, killed; not excluded, locked), RevisionConflict,
        StoreUnavailable."""

        def transition(record: FlagRecord, _: Stop) -> Progress:
            return changes.resume(record) if value is None else changes.readmit(record, value)

        return self._change("resume", key, transition, request, {"value": value})

    def rollback(self, key: str, request: Request, *, to: str | None = None) -> Answer:
        """To the stage before, or to the one called `to`, and holds there. Raises UnknownFlag, RefusedByRule (nothing
        to take back), RevisionConflict, StoreUnavailable."""
        return self._change("rollback", key, lambda record, stop: changes.rollback(record, stop, to), request)

    def enter(self, key: str, stage: int, request: Request) -> Answer:
        """The controller's step. `request.seen_revision` says on which revision it was decided, so that of any number
        of servers exactly one succeeds. Raises UnknownFlag, RevisionConflict, StoreUnavailable."""
        return self._change("enter", key, lambda record, _: changes.enter(record, stage), request)

    def trip(self, key: str, finding: Finding, watch: Judged, request: Request) -> Answer:
        """A guard acts on what it found, and the watch that it was found in is replaced by the one that says so, in the
        same commit: of any number of servers exactly one acts. A drill changes nothing else. There always is an entry
        with the evidence. Raises UnknownFlag, RevisionConflict (another watch is there), StoreUnavailable."""

        def attempt() -> Answer:
            stored = self._store.read([key])
            record = _record(stored, key)
            if self._store.evidence().get(key) != watch.before:
                raise OutdatedView(f"the outcomes of {key} were judged by another server", "look again")
            moment = moment_of(stored)
            stop = Stop(request.actor.id, moment.at, request.reason)
            wanted = record.progress if finding.drill else changes.guarded(record, finding.guard, finding.value, stop)
            action = "drill" if finding.drill else finding.guard.action.value
            changed = _moved(record, wanted, moment, stored.revision + 1)
            draft = replace(_draft(action, record, changed, request), watch=watch, finding=finding_document(finding))
            return self._commit(stored, moment.at, request, draft)

        return self._answered_once(request, attempt)

    def load(self, file: FlagFile, request: Request, *, action: str = "load", prune: bool = False) -> Answer:
        """Brings a version of the file in force. Raises RefusedByRule (drops more than half of the flags, uses an
        archived key), RevisionConflict, StoreUnavailable. The file that is in force already changes nothing."""

        with self._noticed(action, None, request):
            return self._answered_once(request, lambda: self._load(file, request, action, prune))

    def decide(self, action: str, change_id: str, word: Word, request: Request) -> Answer:
        """Somebody's word on a change that waits; where it was the last that was needed, the change is made at once.
        Raises what `word` raises, what making the change raises, RevisionConflict, StoreUnavailable."""

        def attempt() -> Answer:
            stored = self._store.read()
            state, moment = decode_state(stored), moment_of(stored)
            one = undecided(state.pending, change_id, moment.at)
            after = word(state, one, moment.at)
            if after is not None and not after.done_at and not after.rejected and len(after.approved) >= after.needed:
                return self._carry_out(after, request)
            waiting = without(state.pending, change_id) if after is None else {**state.pending, change_id: after}
            answer = decision_answer(action, after or one, request)
            if request.dry_run:
                return answer | {"changed": False, "revision": stored.revision}
            record = state.records.get(one.flag)
            stands = progress_document(record.progress) if record else {}
            draft = _Draft(
                action=action,
                flag=one.flag or None,
                before=stands,
                after=stands,
                answer=answer,
                flags={},
                state=replace(state, pending=waiting),
                pending=pending_difference(state.pending, waiting),
            )
            return self._commit(stored, moment.at, request, draft)

        with self._noticed(action, None, request):
            return self._answered_once(request, attempt)

    def _carry_out(self, one: Pending, request: Request) -> Answer:
        """In the name of whoever proposed it."""
        made = replace(
            request, actor=actor_of(one.by), reason=one.reason, ticket=one.ticket, seen_revision=None, approved=one
        )
        content = one.content
        match one.action:
            case "set":
                share, audience = Share.parse(content["share"]), content["audience"]
                return self.set_share(one.flag, share, made, audience=audience, beyond_plan=content["beyond_plan"])
            case "revive":
                return self.revive(one.flag, made)
            case "advance":
                return self.advance(one.flag, made, to=content["to"])
            case "resume":
                return self.resume(one.flag, made, value=content["value"])
            case "load" | "apply":
                file = read_kept_file(content["name"], content["file"], KeptFile.at(content), self._store.blob)
                return self.load(file, made, action=one.action, prune=content["prune"])
        raise RefusedByRule(f"{one.id} is a change that this release does not know", "reject it, and propose it anew")

    def plan(self, file: FlagFile, *, prune: bool = False) -> Answer:
        """What loading this version of the file would do, at the revision that the answer names."""
        return self._load(file, Request(Actor(""), dry_run=True), "plan", prune)

    def note(self, action: str, request: Request, about: Document, flag: str | None = None) -> None:
        """Writes down something that changes nothing. Raises InvalidInput, RevisionConflict, StoreUnavailable."""
        _check_request(request)

        def attempt() -> Answer:
            stored = self._store.read([])
            now = moment_of(stored).at
            entry = Entry(
                revision=stored.revision,
                note=stored.notes + 1,
                at=now,
                actor=request.actor,
                action=action,
                reason=request.reason,
                request_id=request.request_id,
                flag=flag,
                before={},
                after=about,
                previous=previous_of(self._store, stored),
                ticket=request.ticket,
            )
            line = canonical_line(entry.document())
            self._store.note(Note(stored.revision, stored.notes, stored.head_hash, _milliseconds(now), line))
            return {}

        _until_no_conflict(attempt)

    def change_keys(self, action: str, transition: KeysTransition, request: Request) -> Answer:
        """Makes, rotates or revokes callers' keys. They are in the shared document, so every server reads all anew.
        Raises what `transition` raises, RevisionConflict, StoreUnavailable."""

        def attempt() -> Answer:
            stored = self._store.read([])
            state, moment = decode_state(stored), moment_of(stored)
            keys = transition(state.keys, Stop(request.actor.id, moment.at, request.reason))
            before, after = _differing(state.keys, keys), _differing(keys, state.keys)
            answer = keys_answer(action, after, moment.at, request)
            if request.dry_run or not (before or after):
                return answer | {"changed": False, "revision": stored.revision}
            draft = _Draft(
                action=action,
                before={"keys": [key_document(key) for key in before]},
                after={"keys": [key_document(key) for key in after]},
                answer=answer,
                flags={},
                state=replace(state, keys=keys),
            )
            return self._commit(stored, moment.at, request, draft)

        return self._answered_once(request, attempt)

    def end_sessions(self, action: str, transition: SessionsTransition, request: Request) -> Answer:
        """The same for sessions, beside the keys. Raises what `transition` raises, RevisionConflict,
        StoreUnavailable."""

        def attempt() -> Answer:
            stored = self._store.read([])
            state, now = decode_state(stored), moment_of(stored).at
            ended = transition(state.ended, now)
            draft = _Draft(
                action=action,
                before={"ended": ended_document(_without(state.ended, ended))},
                after={"ended": ended_document(_without(ended, state.ended))},
                answer={"action": action, "dry_run": request.dry_run, "request_id": request.request_id},
                flags={},
                state=replace(state, ended=ended),
            )
            if request.dry_run or ended == state.ended:
                return draft.answer | {"changed": False, "revision": stored.revision}
            return self._commit(stored, now, request, draft)

        return self._answered_once(request, attempt)

    def _change(
        self, action: str, key: str, transition: Transition, request: Request, content: Document | None = None
    ) -> Answer:
        def attempt() -> Answer:
            if not FLAG_KEY.fullmatch(key):
                raise UnknownFlag("no flag has this name")
            stored = self._store.read([key])
            record = _record(stored, key)
            _check_seen(request, record.revision, key)
            moment = moment_of(stored)
            wanted = transition(record, Stop(request.actor.id, moment.at, request.reason))
            changed = _moved(record, wanted, moment, stored.revision + 1)
            draft = _draft(action, record, changed, request)
            _check_record(stored, draft.answer["raises"])
            if action in ("set", "advance") and draft.answer["raises"]:
                self._check_guards(stored, record)
            state = decode_state(stored)
            asks = (
                () if action == "enter" and is_own_step(record, changed) else _asks(state, with_record(state, changed))
            )
            draft = _saying(draft, state, asks)
            if request.dry_run or _same(record.progress, changed.progress):
                return draft.answer | {"changed": False, "revision": stored.revision}
            watch = self._begun_anew(record, changed) if action == "resume" else None
            asked = Wanted(state, action, key, content or {}, [key], asks)
            return self._make(stored, moment.at, request, replace(draft, watch=watch), asked)

        with self._noticed(action, key, request):
            return self._answered_once(request, attempt)

    def _check_guards(self, stored: Stored, record: FlagRecord) -> None:
        """Raises RefusedByRule while a guard that stopped the whole rollout was not begun anew."""
        document = self._store.evidence().get(record.flag.key)
        guards = decode_state(replace(stored, flags={})).definitions.guards
        name = failing(decode_watch(document), guards.values()) if document else None
        if name is not None:
            raise RefusedByRule(
                f"guard {name} stopped {record.flag.key}", f"`rollout resume {record.flag.key}` has it begin anew"
            )

    def _begun_anew(self, before: FlagRecord, after: FlagRecord) -> Judged | None:
        """Whoever says that a flag may go on has its guards begin anew: what they had found would stop it at once."""
        document = self._store.evidence().get(before.flag.key)
        if document is None:
            return None
        watch = decode_watch(document)
        out = {(one.guard, one.value) for one in after.progress.excluded}
        readmitted = {(one.guard, one.value) for one in before.progress.excluded} - out
        groups = readmitted or tripped(watch) - out
        return Judged(document, encode_watch(begun_anew(watch, groups))) if groups else None

    def _load(self, file: FlagFile, request: Request, action: str, prune: bool) -> Answer:
        stored = self._store.read()
        state, moment = decode_state(stored), moment_of(stored)
        _check_seen(request, stored.revision, "the state")  # what happens to people depends on where every flag stands
        load = load_file(state, file, stored.revision + 1, moment, prune=prune)
        answer = load_answer(action, state, load, request)
        _check_record(stored, any(not _no_more(move) for one in answer["flags"] for move in one["moves"]))
        in_force = state.file is not None and state.file.digest == file.digest
        asks = _asks(state, load.after, listed_by(file.members.get, self._store.blob))
        answer |= {"approval": approval_answer(state, asks)}
        if request.dry_run or (in_force and not load.changed and not load.archived):
            return answer | {"changed": False, "revision": stored.revision}
        kept = file_blobs(file)
        force = FileInForce(file.name, file.digest, kept.text, kept.lines, stored.revision + 1, moment.at)
        after = replace(load.after, file=force, earlier_files=with_earlier(state))
        changed = {key: after.records[key] for key in load.changed}
        draft = _Draft(
            action=action,
            before={"file": state.file.digest if state.file else ""},
            after={
                "file": file.digest,
                "name": file.name,
                "text": kept.text,
                "lines": kept.lines,
                "definitions": kept.definitions,
                "progress": {key: progress_document(record.progress) for key, record in changed.items()},
                "archived": list(load.archived),
            },
            answer=answer,
            flags={
                **{key: encode_record(record) for key, record in changed.items()},
                **dict.fromkeys(load.archived),
            },
            state=after,
            blobs=kept.blobs,
        )
        concerned = [*load.changed, *load.archived, *(one.flag for one in asks if one.flag)]
        content = _file_content(file, kept, prune=prune)
        wanted = Wanted(state, action, "", content, sorted(set(concerned)), asks)
        return self._make(stored, moment.at, request, draft, wanted)

    def _make(self, stored: Stored, now: datetime, request: Request, draft: _Draft, wanted: Wanted) -> Answer:
        """Commits what may be done, or that it waits for others."""
        ruling = rule(wanted, request, now)
        difference = pending_difference(wanted.state.pending, ruling.pending)
        if ruling.waits is not None:
            answer = draft.answer | {"pending": pending_document(ruling.waits)}
            if difference is None:  # it waits already
                return answer | {"changed": False, "revision": stored.revision}
            draft = _proposed(draft, answer)
        elif ruling.alone is not None:
            draft = replace(draft, answer=draft.answer | {"break_glass": pending_document(ruling.alone)})
        if difference is not None:
            draft = replace(
                draft, state=replace(draft.state or wanted.state, pending=ruling.pending), pending=difference
            )
        return self._commit(stored, now, request, replace(draft, action=ruling.action, approvals=ruling.approvals))

    def _commit(self, stored: Stored, now: datetime, request: Request, draft: _Draft) -> Answer:
        revision = stored.revision + 1
        entry = Entry(
            previous=previous_of(self._store, stored),
            ticket=request.ticket,
            revision=revision,
            at=now,
            actor=request.actor,
            action=draft.action,
            reason=request.reason,
            request_id=request.request_id,
            flag=draft.flag,
            before=draft.before,
            after=draft.after,
            evidence=draft.finding,
            approvals=draft.approvals,
            pending=draft.pending,
        )
        commit = Commit(
            expected_revision=stored.revision,
            request_id=request.request_id,
            at_ms=_milliseconds(now),
            entry=canonical_line(entry.document()),
            flags=draft.flags,
            shared=encode_shared(draft.state) if draft.state else None,
            blobs=draft.blobs,
            evidence={draft.flag: draft.watch} if draft.flag and draft.watch else {},
            head_hash=stored.head_hash,
            answer=encode_answer({"changed": True, **draft.answer, "revision": revision}),
        )
        return decode_answer(self._store.commit(commit).answer)

    @contextmanager
    def _noticed(self, action: str, key: str | None, request: Request) -> Iterator[None]:
        try:
            yield
        except RolloutError as error:
            self._refused(action, key, request, error)
            raise

    def _answered_once(self, request: Request, attempt: Callable[[], Answer]) -> Answer:
        """Tries anew while others write; and before it refuses, or finds nothing to change, asks whether it was this
        very request that moved the state, whose answer was lost."""
        _check_request(request)
        try:
            answer = _until_no_conflict(attempt)
        except RolloutError:
            first = self._store.answered(request.request_id)
            if first is None:
                raise
            return decode_answer(first)
        if answer["changed"] or request.dry_run:
            return answer
        first = self._store.answered(request.request_id)
        return answer if first is None else decode_answer(first)


def previous_of(store: FlagStore, stored: Stored) -> str:
    """The hash that the next audit entry names as the one before it. Where an earlier release wrote, without a chain,
    the first entry of the chain seals all that it left."""
    if stored.head_hash:
        return stored.head_hash
    tree, revision = EMPTY, 0
    while lines := store.audit(after=revision, before=stored.revision + 1, limit=PAGE):
        tree = tree.plus(map(leaf_hash, lines))
        revision = read_line(lines[-1])["revision"]
    return tree.root().hex()


def _until_no_conflict(attempt: Callable[[], Answer]) -> Answer:
    for number in range(ATTEMPTS):
        try:
            return attempt()
        except OutdatedView:
            raise
        except RevisionConflict:
            time.sleep(random.uniform(0, 0.002 * min(number + 1, 10)))
    raise RevisionConflict("others keep changing the state", "try again")


def _check_request(request: Request) -> None:
    if len(request.reason) > MAX_REASON:
        raise InvalidInput(f"a reason of {len(request.reason)} characters", f"say it in at most {MAX_REASON}")
    for words in (request.reason, request.actor.id, request.actor.host, request.actor.tool, request.request_id):
        if _HALF_A_CHARACTER.search(words):
            raise InvalidInput(f"{ascii(words)[:60]} is not text", "write it in UTF-8")


def _check_seen(request: Request, revision: int, what: str) -> None:
    if request.seen_revision is not None and revision > request.seen_revision:
        raise OutdatedView(
            f"{what} changed at revision {revision}, after revision {request.seen_revision} that you saw",
            "look at it again, then decide",
        )


def _moved(before: FlagRecord, wanted: Progress, moment: Moment, revision: int) -> FlagRecord:
    """The record as it is after `revision`; the very same where its progress is."""
    after = with_bake(before.progress, wanted, moment)
    return before if after == before.progress else replace(before, progress=after, revision=revision)


def _draft(action: str, before: FlagRecord, after: FlagRecord, request: Request) -> _Draft:
    return _Draft(
        action=action,
        flag=before.flag.key,
        before=progress_document(before.progress),
        after=progress_document(after.progress),
        answer=change_answer(action, before, after, request),
        flags={} if after is before else {before.flag.key: encode_record(after)},
    )


def _asks(before: State, after: State, listed: Listed = only_the_same) -> tuple[Raise, ...]:
    """What takes more than one person, by the rule that is in force before the change."""
    approvals = before.definitions.approvals
    return beyond(approvals, raises(before, after, listed)) if approvals else ()


def with_record(state: State, record: FlagRecord) -> State:
    return replace(state, records={**state.records, record.flag.key: record})


def _saying(draft: _Draft, state: State, asks: tuple[Raise, ...]) -> _Draft:
    return replace(draft, answer=draft.answer | {"approval": approval_answer(state, asks)})


def _proposed(draft: _Draft, answer: Answer) -> _Draft:
    """Nothing moves. What the proposal needs to be carried out is kept with it."""
    return replace(
        draft,
        before={} if draft.flag is None else draft.before,
        after={} if draft.flag is None else draft.before,
        flags={},
        state=None,
        watch=None,
        answer=answer | {"changed": False},
    )


def _file_content(file: FlagFile, kept: KeptFile, *, prune: bool) -> Document:
    """A version of the file, exactly, by the addresses that it is kept under."""
    addresses = {"text": kept.text, "lines": kept.lines, "definitions": kept.definitions}
    return {"name": file.name, "file": file.digest, **addresses, "prune": prune}


def _check_record(stored: Stored, raises: bool) -> None:
    """Raises RefusedByRule for what gives anybody anything while the store has lost part of the record."""
    if raises and stored.lost is not None:
        raise RefusedByRule(
            "the store lost entries that a server has a copy of, so nobody may be given anything",
            "run `rollout audit recover` on that server; `rollout status` names it",
        )


def _no_more(move: Mapping[str, str]) -> bool:
    return Share.parse(move["after"]) <= Share.parse(move["before"])


def _record(stored: Stored, key: str) -> FlagRecord:
    document = stored.flags.get(key)
    if document is None:
        raise UnknownFlag(f"no flag called {key!r}")
    return decode_record(document)


def _differing(keys: Keys, others: Keys) -> list[Key]:
    return [key for key in keys.values() if others.get(key.id) != key]


def _without(ended: Ended, others: Ended) -> Ended:
    return {session: until for session, until in ended.items() if session not in others}


def _audience(record: FlagRecord) -> str:
    """The audience that a bare percentage is of."""
    if record.flag.rollout:
        return record.flag.rollout.audience
    return record.flag.audience or EVERYONE


def _same(before: Progress, after: Progress) -> bool:
    """The same but for who stopped it when: halting what is halted is no change."""
    return replace(after, halted=before.halted) == before and bool(before.halted) == bool(after.halted)


def moment_of(stored: Stored) -> Moment:
    """The store's clock, never before the last write."""
    now = EPOCH + timedelta(milliseconds=max(stored.now_ms, stored.written_at_ms))
    return Moment(now, timedelta(milliseconds=stored.ticked_ms))


def _milliseconds(at: datetime) -> int:
    return (at - EPOCH) // timedelta(milliseconds=1)


def with_earlier(state: State) -> tuple[str, ...]:
    """The files that were in force before, once another one is."""
    return (*state.earlier_files, state.file.digest)[-MAX_EARLIER:] if state.file else state.earlier_files
