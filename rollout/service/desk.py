"""The operator's desk: everything that operators, developers and support can ask or do, in terms of JSON documents.
The web puts HTTP around it; the command line uses it over HTTP or, when the web tier is what is broken, straight on a
store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from rollout.core.audit import Actor
from rollout.core.definitions import FlagFile
from rollout.core.durations import parse_duration
from rollout.core.errors import InvalidFile, InvalidInput
from rollout.core.members import member_lines
from rollout.core.outcome_reading import OutcomeReader
from rollout.core.progression import Moment
from rollout.core.shares import Share
from rollout.service import file_documents, past_reports, reports
from rollout.service.answers import Answer
from rollout.service.deciding import ApprovalDesk
from rollout.service.doctor import doctor_report
from rollout.service.follower import Follower
from rollout.service.guarding import Watches
from rollout.service.keys import OVERLAP, KeyDesk
from rollout.service.noticing import Notices
from rollout.service.operations import Operations, Request, moment_of
from rollout.service.outcomes import read_outcomes, taken_document
from rollout.service.past import Copy, Past
from rollout.service.ports import FlagStore
from rollout.service.share_reports import share_report
from rollout.service.snapshot import Snapshot

ReadText: TypeAlias = Callable[[str, str, Callable[[str], bytes]], FlagFile]
"""Reads the text of a flags file: (text, name, load_members). Raises InvalidFile."""

Document: TypeAlias = dict[str, Any]


class Desk(Protocol):
    """What can be asked and done. All methods raise the errors of `core.errors`."""

    def set(
        self, flag: str, share: str, request: Request, *, audience: str | None = None, beyond_plan: bool = False
    ) -> Answer: ...

    def kill(self, flag: str, request: Request) -> Answer: ...

    def revive(self, flag: str, request: Request) -> Answer: ...

    def advance(self, flag: str, request: Request, *, to: str | None = None) -> Answer: ...

    def halt(self, flag: str, request: Request) -> Answer: ...

    def resume(self, flag: str, request: Request, *, value: str | None = None) -> Answer: ...

    def rollback(self, flag: str, request: Request, *, to: str | None = None) -> Answer: ...

    def simulate(self, flag: str, verdicts: Mapping[str, str]) -> Document:
        """The timetable from now on. `verdicts`: stage -> healthy, breached, too-little-data or source-silent."""

    def plan(self, files: Mapping[str, str], *, prune: bool = False) -> Answer:
        """What applying would do. `files`: the flags file first, then member files, by the names that it uses."""

    def apply(self, files: Mapping[str, str], request: Request, *, prune: bool = False) -> Answer: ...

    def report(self, outcomes: Sequence[Document]) -> Document:
        """Reports what became of what people did: at most 1,000 outcomes."""

    def status(self, *, at: str | None = None) -> Document:
        """Now, or at a past moment, as people write it."""

    def flag_status(self, flag: str, *, at: str | None = None) -> Document: ...

    def explain(
        self, flag: str, context: Mapping[str, object], *, at: str | None = None, words: str | None = None
    ) -> Document:
        """`at`: a past moment. `words`: the language of a sentence for the person."""

    def diff(self, since: str, until: str, *, reader: Actor | None = None) -> Document:
        """What changed for people between two moments, and who changed it. That `reader` looked is noted."""

    def audit(
        self, *, flag: str | None = None, limit: int = 100, before: int | None = None, reader: Actor | None = None
    ) -> Document:
        """Who changed what. That `reader` looked is noted."""

    def note_export(self, about: Document, request: Request) -> None:
        """Says in the audit that somebody took a copy of it, and which."""

    def notes(self, *, limit: int = 100, before: str | None = None, reader: Actor | None = None) -> Document:
        """What was noted although it changed nothing: refusals, failed loads, who read the audit."""

    def doctor(self) -> Document:
        """What is wrong with the installation."""

    def pending(self) -> Document:
        """The changes that wait for somebody's approval."""

    def approve(self, change: str, request: Request) -> Answer: ...

    def reject(self, change: str, request: Request) -> Answer: ...

    def list_keys(self) -> Document: ...

    def create_key(
        self, role: str, name: str, request: Request, *, expires: str | None = None, rate: int | None = None
    ) -> Answer:
        """`expires`: how long it works, such as 90d; None for ever. The answer's `secret` is shown this once."""

    def rotate_key(
        self, key: str, request: Request, *, overlap: str | None = None, expires: str | None = None
    ) -> Answer:
        """`overlap`: how long the old one works on; None for what is usual."""

    def revoke_key(self, key: str, request: Request) -> Answer: ...

    def file(self, *, revision: int | None = None) -> Document:
        """The text of the file in force, or of the one that came in force with `revision`."""

    def loads(self, *, before: int | None = None) -> Document:
        """When which version of the file came in force."""

    def definitions(self) -> Document:
        """Segments and guards, who uses them, and what guards say now."""


class StoreDesk:
    """The desk on a store. `snapshot` says what is in force; in a worker that is what it serves from."""

    def __init__(
        self,
        store: FlagStore,
        read_text: ReadText,
        snapshot: Callable[[], Snapshot],
        notices: Notices | None = None,
        past: Past | None = None,
    ) -> None:
        self._store = store
        self._read_text = read_text
        self._snapshot = snapshot
        self._watches = Watches(store)
        self._notices = notices or Notices(Operations(store))
        self._operations = Operations(store, self._notices.refused)
        self._keys = KeyDesk(store, self._operations)
        self._past = past or Past(store)
        self._approvals = ApprovalDesk(store, self._operations)

    @classmethod
    def straight(cls, store: FlagStore, read_text: ReadText, copy: Copy | None = None) -> StoreDesk:
        """Without a server: reads the store whole whenever something is asked. `copy`: the record on this machine, for
        what the store no longer has."""
        follower = Follower(store)

        def snapshot() -> Snapshot:
            follower.read()
            return follower.current

        return cls(store, read_text, snapshot, past=Past(store, copy))

    def set(
        self, flag: str, share: str, request: Request, *, audience: str | None = None, beyond_plan: bool = False
    ) -> Answer:
        return self._operations.set_share(flag, Share.parse(share), request, audience=audience, beyond_plan=beyond_plan)

    def kill(self, flag: str, request: Request) -> Answer:
        return self._operations.kill(flag, request)

    def revive(self, flag: str, request: Request) -> Answer:
        return self._operations.revive(flag, request)

    def advance(self, flag: str, request: Request, *, to: str | None = None) -> Answer:
        return self._operations.advance(flag, request, to=to)

    def halt(self, flag: str, request: Request) -> Answer:
        return self._operations.halt(flag, request)

    def resume(self, flag: str, request: Request, *, value: str | None = None) -> Answer:
        return self._operations.resume(flag, request, value=value)

    def rollback(self, flag: str, request: Request, *, to: str | None = None) -> Answer:
        return self._operations.rollback(flag, request, to=to)

    def simulate(self, flag: str, verdicts: Mapping[str, str]) -> Document:
        return reports.timetable_report(self._snapshot(), flag, self._moment(), verdicts)

    def plan(self, files: Mapping[str, str], *, prune: bool = False) -> Answer:
        return self._operations.plan(self._read(files), prune=prune)

    def apply(self, files: Mapping[str, str], request: Request, *, prune: bool = False) -> Answer:
        try:
            file = self._read(files)
        except InvalidFile as error:
            self._notices.refused("apply", None, request, error)
            raise
        return self._operations.load(file, request, action="apply", prune=prune)

    def report(self, outcomes: Sequence[Document]) -> Document:
        state = self._snapshot().state
        reader = OutcomeReader(state.definitions, state.records)
        taken, counted = read_outcomes(reader, outcomes, self._moment().at)
        self._store.count(counted)
        return taken_document(taken)

    def status(self, *, at: str | None = None) -> Document:
        if at is not None:
            return past_reports.status_then(self._past, at)
        return reports.status_report(self._snapshot(), self._store.servers(), self._moment(), self._watches.look())

    def flag_status(self, flag: str, *, at: str | None = None) -> Document:
        if at is not None:
            return past_reports.flag_status_then(self._past, at, flag)
        entries = self.audit(flag=flag)["entries"]
        watched = self._watches.look().get(flag)
        snapshot, moment = self._snapshot(), self._moment()
        shown = share_report(self._store, snapshot, flag, moment.at)
        return reports.flag_status_report(snapshot, flag, moment, entries, watched, served_share=shown)

    def explain(
        self, flag: str, context: Mapping[str, object], *, at: str | None = None, words: str | None = None
    ) -> Document:
        if at is not None:
            return past_reports.explain_then(self._past, at, flag, context, words)
        snapshot = self._snapshot()
        return reports.explain_report(
            snapshot, flag, context, reports.lines_in_force(snapshot, self._store.blob), words
        )

    def diff(self, since: str, until: str, *, reader: Actor | None = None) -> Document:
        if reader:
            self._notices.read(reader, {"what": "changes between two moments"})
        return past_reports.diff_report(self._past, since, until)

    def audit(
        self, *, flag: str | None = None, limit: int = 100, before: int | None = None, reader: Actor | None = None
    ) -> Document:
        if reader:
            self._notices.read(reader, {"what": flag or "all changes"})
        return reports.audit_report(self._store, flag=flag, limit=limit, before=before)

    def note_export(self, about: Document, request: Request) -> None:
        self._operations.note("export", request, about)

    def notes(self, *, limit: int = 100, before: str | None = None, reader: Actor | None = None) -> Document:
        if reader:
            self._notices.read(reader, {"what": "notes"})
        return reports.notes_report(self._store, limit=limit, before=before)

    def doctor(self) -> Document:
        store = self._store
        return doctor_report(self._snapshot(), store.vitals(), store.servers(), self._watches.look(), self._moment())

    def pending(self) -> Document:
        return self._approvals.pending()

    def approve(self, change: str, request: Request) -> Answer:
        return self._approvals.approve(change, request)

    def reject(self, change: str, request: Request) -> Answer:
        return self._approvals.reject(change, request)

    def list_keys(self) -> Document:
        return self._keys.list()

    def create_key(
        self, role: str, name: str, request: Request, *, expires: str | None = None, rate: int | None = None
    ) -> Answer:
        lasts = parse_duration(expires) if expires is not None else None
        return self._keys.create(role, name, request, expires=lasts, rate=rate)

    def rotate_key(
        self, key: str, request: Request, *, overlap: str | None = None, expires: str | None = None
    ) -> Answer:
        both = parse_duration(overlap) if overlap is not None else OVERLAP
        lasts = parse_duration(expires) if expires is not None else None
        return self._keys.rotate(key, request, overlap=both, expires=lasts)

    def revoke_key(self, key: str, request: Request) -> Answer:
        return self._keys.revoke(key, request)

    def file(self, *, revision: int | None = None) -> Document:
        return file_documents.file_document(self._store, self._snapshot(), revision)

    def loads(self, *, before: int | None = None) -> Document:
        return file_documents.loads_document(self._store, before)

    def definitions(self) -> Document:
        return file_documents.definitions_document(self._snapshot(), self._moment(), self._watches.look())

    def _moment(self) -> Moment:
        return moment_of(self._store.read([]))

    def _read(self, files: Mapping[str, str]) -> FlagFile:
        if not files:
            raise InvalidInput("there is no file in this", "send the YAML of flags.yaml")
        name, text = next(iter(files.items()))
        return self._read_text(text, name, lambda member_file: self._members(files, member_file))

    def _members(self, files: Mapping[str, str], name: str) -> bytes:
        """A member file that was sent along, or else the list of that name that is in force."""
        if name in files:
            return files[name].encode()
        for segment in self._snapshot().state.definitions.segments.values():
            if segment.members and segment.members.file == name:
                packed = self._store.blob(segment.members.digest)
                return member_lines(packed) if packed else b""
        raise FileNotFoundError(name)
