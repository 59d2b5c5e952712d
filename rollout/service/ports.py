"""What the use cases need of a store, and nothing more. Documents are JSON as opaque bytes: a store never looks inside
them, and so never rounds, reorders or re-types what it keeps.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from rollout.core.chain import Place

MAX_TICK_GAP = timedelta(seconds=60)
HOUR_MS = 3_600_000

INTENTS_KEPT = timedelta(hours=1)  # at the least; half an hour longer at the most
COUNTS_KEPT = timedelta(hours=3)
EXPOSED_KEPT = timedelta(days=9)
DRAWS_KEPT = timedelta(minutes=30)
GROUPS_UNTIL = 1800  # fields of one flag and minute: the rest of
MOST_FIELDS = 2000  # is for totals, and for the one that counts what found no place


@dataclass(frozen=True, slots=True)
class Stored:
    """What a store holds, read at one moment. Revision 0: nothing was ever written."""

    revision: int
    written_at_ms: int  # time of the last write, milliseconds since 1970 UTC; 0 before the first
    now_ms: int  # the store's own clock
    shared: bytes | None  # the document that belongs to no single flag
    flags: Mapping[str, bytes]  # flag key -> document
    ticked_ms: int = 0  # how long servers have been ticking in all, on the store's clock, as if one ticked now
    head_hash: str = ""  # of the last audit entry; "" where none was chained yet
    notes: int = 0  # how many were noted at this revision
    lost: bytes | None = None  # what a server still has of the record that this store has not


@dataclass(frozen=True, slots=True)
class Ticked:
    now_ms: int  # the store's own clock
    ticked_ms: int  # how long servers have been ticking in all


@dataclass(frozen=True, slots=True)
class Vitals:
    """How a store is set up, as it says itself. `software` None: it may not be asked."""

    software: str | None  # "redis", "valkey", "memory"
    version: tuple[int, ...] = ()
    is_replica: bool = False
    is_local: bool = False  # reached by a socket that only this machine has
    authenticated: bool = False
    eviction_policy: str = ""
    append_only: bool = False
    persists: bool = True  # its last write to disk succeeded
    memory_used: int = 0  # bytes
    memory_limit: int = 0  # bytes; 0: none


@dataclass(frozen=True, slots=True)
class Heard:
    """The last that was heard of a server, and how long ago, on the store's clock."""

    report: bytes
    age: timedelta


@dataclass(frozen=True, slots=True)
class Counted:
    """What is counted of one outcome, and by which fingerprint (64 bits, signed) its intent is known again."""

    flag: str
    fingerprint: int
    fields: tuple[str, ...]  # names made by core.outcomes; at least one
    amount: int = 1


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was counted of a flag, and about how many people, by name."""

    counts: Mapping[str, int]
    people: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Judged:
    """One flag's evidence document before and after; None: there is none."""

    before: bytes | None
    after: bytes | None


@dataclass(frozen=True, slots=True)
class Commit:
    """One change, all of it or nothing. It takes the store from `expected_revision` to the next."""

    expected_revision: int
    request_id: str
    at_ms: int  # never before the previous commit's
    entry: bytes  # the audit line; already names the new revision and `at_ms`
    flags: Mapping[str, bytes | None] = field(default_factory=dict)  # None removes the document
    shared: bytes | None = None  # None leaves it
    blobs: Mapping[str, bytes] = field(default_factory=dict)  # content-addressed, never overwritten
    answer: bytes = b""  # told again to whoever repeats the request id
    evidence: Mapping[str, Judged] = field(default_factory=dict)  # flag key -> what the decision rests on
    head_hash: str | None = None  # of the entry that this one names as the one before; None: whichever it is


@dataclass(frozen=True, slots=True)
class Note:
    """An audit entry about something that changed no state: the one after `notes` others at `revision`."""

    revision: int
    notes: int
    head_hash: str  # of the entry before
    at_ms: int  # never before the last entry's
    entry: bytes


@dataclass(frozen=True, slots=True)
class Restoration:
    """What a store lost, from a server's copy: the entries that follow `head_hash`, and the state that they give."""

    revision: int  # where the store stands
    notes: int
    head_hash: str
    lines: Sequence[tuple[Place, bytes]]
    after: Stored
    blobs: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Committed:
    revision: int
    answer: bytes
    repeated: bool  # this request id was answered before; nothing was written now


@dataclass(frozen=True, slots=True)
class Change:
    """One revision, as it is told to those who follow. `whole`: too much to tell, read everything anew."""

    revision: int
    flags: Mapping[str, bytes | None] = field(default_factory=dict)
    whole: bool = False


class Followed(Protocol):
    """What following a store asks of it; FlagStore says what each of these does."""

    def read(self) -> Stored: ...

    def revision(self) -> int: ...

    def changes(self, after: int, wait: timedelta) -> list[Change] | None: ...

    def blob(self, digest: str) -> bytes | None: ...


class FlagStore(Protocol):
    """Where the position of every rollout is kept. All methods raise StoreUnavailable when the store cannot be reached
    within its deadline or answers nonsense; they never hang and never retry a write silently.
    """

    def read(self, keys: Sequence[str] | None = None) -> Stored:
        """Everything, or the shared document and these flags alone, as of one moment."""

    def revision(self) -> int:
        """The revision written last; as cheap as the store can make it."""

    def commit(self, commit: Commit) -> Committed:
        """Writes all of `commit` or nothing.

        A request id seen before is answered with its first answer, whatever the revision. Raises RevisionConflict when
        the store is not at `expected_revision`, its last audit entry is not the one of `head_hash`, or it holds other
        evidence than `evidence` was made from (nothing is written). From then on its `head_hash` is that of
        `commit.entry`.
        """

    def answered(self, request_id: str) -> bytes | None:
        """The first answer to this request id, if it was committed."""

    def changes(self, after: int, wait: timedelta) -> list[Change] | None:
        """The changes since revision `after`, oldest first, waiting up to `wait` for the first; [] when none came;
        None when some are no longer kept (the caller reads everything anew)."""

    def audit(
        self, *, after: int = 0, before: int | None = None, limit: int = 100, newest_first: bool = False
    ) -> list[bytes]:
        """At most `limit` audit lines with after < revision < before."""

    def note(self, note: Note) -> None:
        """Adds to the audit, and tells no follower. Raises RevisionConflict when anything was written meanwhile (then
        this is not)."""

    def notes(
        self, *, after: Place = (0, 0), before: Place | None = None, limit: int = 100, newest_first: bool = False
    ) -> list[bytes]:
        """At most `limit` lines of those that were noted, with after < (revision, number) < before."""

    def mark_lost(self, document: bytes | None) -> None:
        """Says to everybody who reads that a server has entries which this store lost; None: no longer."""

    def restore(self, lost: Restoration) -> None:
        """All of it or nothing. Raises RevisionConflict when anything was written meanwhile."""

    def blob(self, digest: str) -> bytes | None:
        """What was committed under this content address."""

    def tick(self) -> Ticked:
        """Says that a server is ticking. Time since the tick before counts, whichever server's it was, unless that was
        longer ago than MAX_TICK_GAP: then nobody was there."""

    def beat(self, server_id: str, report: bytes, lifetime: timedelta) -> None:
        """Says that a server is alive; forgotten after `lifetime` without another."""

    def servers(self) -> Mapping[str, Heard]:
        """The last report of every server that is not forgotten."""

    def count(self, items: Sequence[Counted]) -> int:
        """Counts each item whose fingerprint was not seen for an hour: every field of it, of its flag and of the minute
        on the store's clock, grows by its amount. So a batch whose answer was lost may be sent again whole, and a
        minute that is over never changes.

        How many were new. All of it or nothing. What would be a new field of a group once there are GROUPS_UNTIL
        fields, or any new field once there are MOST_FIELDS, is counted as FOLDED.
        """

    def outcome_counts(self, flag: str, first_minute: int, last_minute: int) -> Mapping[int, Mapping[str, int]]:
        """Of the minutes from first to last, both included, those in which anything was counted: minute (milliseconds
        since 1970 UTC // 60000) -> field -> count. Kept for COUNTS_KEPT."""

    def evidence(self) -> Mapping[str, bytes]:
        """Every flag's evidence document."""

    def judge(self, flag: str, expected: bytes | None, document: bytes | None) -> bool:
        """Puts `document` in the place of `expected`, of one flag's evidence; None: none at all. False, and nothing is
        written, where something else than `expected` is there."""

    def use_keys(self, ids: Collection[str]) -> None:
        """Says that these callers' keys were used in the hour that it is by the store's clock."""

    def key_uses(self) -> Mapping[str, int]:
        """In which hour, counted since 1970, each key was used last; those never used are not in it."""

    def vitals(self) -> Vitals:
        """How it is set up."""

    def expose(self, day: str, people: Mapping[str, Sequence[bytes]]) -> None:
        """Counts these people, by the counter's name, on a day; whoever was counted on it before counts once. Kept for
        EXPOSED_KEPT after the last call."""

    def exposed(self, day: str) -> Mapping[str, int]:
        """About how many people each counter of a day has."""

    def forget_exposed(self, day: str) -> None: ...

    def draw(self, flag: str, period: int, counts: Mapping[str, int], people: Mapping[str, Sequence[bytes]]) -> None:
        """Adds to the counts of a flag in a period, by name, and counts these people in it, by name, each once. Kept
        for DRAWS_KEPT after the last call."""

    def drawn(self, flag: str, periods: Sequence[int]) -> Drawn:
        """Of these periods together; whoever was there in several of them counts once, about."""

    def claim(self, name: str, lifetime: timedelta) -> bool:
        """True for the first that asks, until `lifetime` is over."""

    def close(self) -> None:
        """Gives connections back. Closing twice is fine."""
