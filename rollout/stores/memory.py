"""The store's contract kept in memory: for tests, simulations and `--dry-run`s, where weeks pass in milliseconds on a
clock that the caller holds. Nothing outlives the process.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from threading import Condition

from rollout.core.chain import Place, entry_hash
from rollout.core.errors import InvalidInput, RevisionConflict
from rollout.service.ports import (
    DRAWS_KEPT,
    HOUR_MS,
    MAX_TICK_GAP,
    Change,
    Commit,
    Committed,
    Counted,
    Drawn,
    Heard,
    Note,
    Restoration,
    Stored,
    Ticked,
    Vitals,
)
from rollout.stores import FORKED, told
from rollout.stores.memory_counts import MemoryCounts

REQUESTS_KEPT_MS = 24 * 60 * 60 * 1000
CHANGES_KEPT = 1024


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class _Answered:
    committed: Committed
    forgotten_at_ms: int


@dataclass(frozen=True, slots=True)
class _Heartbeat:
    report: bytes
    heard_at_ms: int
    forgotten_at_ms: int


class MemoryFlagStore:
    """A FlagStore of one process. `clock` gives milliseconds since 1970 and times what is forgotten; `changes` alone
    waits by the real clock, so a simulation asks with no wait."""

    def __init__(self, clock: Callable[[], int] = wall_clock_ms) -> None:
        self._clock = clock
        self._changed = Condition()
        self._revision = 0
        self._written_at_ms = 0
        self._head_hash = ""
        self._noted = 0  # since the last commit
        self._lost: bytes | None = None
        self._exposed: dict[str, dict[str, set[bytes]]] = {}
        self._drawn: dict[tuple[str, int], tuple[Counter[str], dict[str, set[bytes]], int]] = {}  # and until when
        self._claims: dict[str, int] = {}  # until when
        self._notes: list[tuple[Place, bytes]] = []
        self._shared: bytes | None = None
        self._flags: dict[str, bytes] = {}
        self._blobs: dict[str, bytes] = {}
        self._audit: list[bytes] = []  # the line of revision n is at n - 1
        self._changes: deque[Change] = deque(maxlen=CHANGES_KEPT)
        self._answered: dict[str, _Answered] = {}  # oldest first
        self._ticked_ms = 0
        self._last_tick_at_ms: int | None = None
        self._heartbeats: dict[str, _Heartbeat] = {}
        self._evidence: dict[str, bytes] = {}
        self._counts = MemoryCounts()
        self._key_uses: dict[str, int] = {}

    def read(self, keys: Sequence[str] | None = None) -> Stored:
        with self._changed:
            wanted = self._flags if keys is None else [key for key in keys if key in self._flags]
            flags = {key: self._flags[key] for key in wanted}
            now = self._clock()
            ticked_ms = self._ticked_ms + self._gap_until(now)
            return Stored(
                self._revision,
                self._written_at_ms,
                now,
                self._shared,
                flags,
                ticked_ms,
                self._head_hash,
                self._noted,
                self._lost,
            )

    def revision(self) -> int:
        return self._revision

    def commit(self, commit: Commit) -> Committed:
        with self._changed:
            self._forget_old_requests()
            answered = self._answered.get(commit.request_id)
            if answered is not None:
                return answered.committed
            if commit.expected_revision != self._revision:
                raise RevisionConflict(f"the store is at revision {self._revision}, not {commit.expected_revision}")
            for flag, judged in commit.evidence.items():
                if self._evidence.get(flag) != judged.before:
                    raise RevisionConflict(f"there is other evidence of {flag} by now")
            if commit.head_hash not in (None, self._head_hash):
                raise RevisionConflict(FORKED)
            if commit.at_ms < self._written_at_ms:
                raise InvalidInput(f"a commit at {commit.at_ms} ms is earlier than the last, at {self._written_at_ms}")
            self._write(commit)
            self._changed.notify_all()
            return Committed(self._revision, commit.answer, repeated=False)

    def answered(self, request_id: str) -> bytes | None:
        with self._changed:
            self._forget_old_requests()
            answered = self._answered.get(request_id)
            return None if answered is None else answered.committed.answer

    def changes(self, after: int, wait: timedelta) -> list[Change] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._revision > after, timeout=wait.total_seconds())
            since = [change for change in self._changes if change.revision > after]
            if self._revision > after and since[0].revision != after + 1:
                return None
            return since

    def audit(
        self, *, after: int = 0, before: int | None = None, limit: int = 100, newest_first: bool = False
    ) -> list[bytes]:
        with self._changed:
            last = self._revision if before is None else max(before - 1, 0)
            lines = self._audit[after:last]
        if newest_first:
            lines.reverse()
        return lines[:limit]

    def note(self, note: Note) -> None:
        with self._changed:
            if (note.revision, note.notes, note.head_hash) != (self._revision, self._noted, self._head_hash):
                raise RevisionConflict(FORKED)
            if note.at_ms < self._written_at_ms:
                raise InvalidInput(
                    f"a note at {note.at_ms} ms is earlier than the last entry, at {self._written_at_ms}"
                )
            self._noted += 1
            self._notes.append(((self._revision, self._noted), note.entry))
            self._head_hash, self._written_at_ms = entry_hash(note.entry), note.at_ms

    def notes(
        self, *, after: Place = (0, 0), before: Place | None = None, limit: int = 100, newest_first: bool = False
    ) -> list[bytes]:
        with self._changed:
            noted = self._notes[::-1] if newest_first else self._notes
            found = [line for place, line in noted if place > after and (before is None or place < before)]
        return found[:limit]

    def mark_lost(self, document: bytes | None) -> None:
        self._lost = document

    def restore(self, lost: Restoration) -> None:
        with self._changed:
            if (lost.revision, lost.notes, lost.head_hash) != (self._revision, self._noted, self._head_hash):
                raise RevisionConflict(FORKED)
            self._audit += [line for (_, note), line in lost.lines if not note]
            self._notes += [(place, line) for place, line in lost.lines if place[1]]
            self._revision, self._noted = lost.after.revision, lost.after.notes
            self._head_hash, self._written_at_ms = lost.after.head_hash, lost.after.written_at_ms
            self._shared, self._flags = lost.after.shared, dict(lost.after.flags)
            self._blobs = {**lost.blobs, **self._blobs}
            self._changes.clear()
            self._changes.append(Change(self._revision, whole=True))
            self._changed.notify_all()

    def blob(self, digest: str) -> bytes | None:
        return self._blobs.get(digest)

    def tick(self) -> Ticked:
        with self._changed:
            now = self._clock()
            self._ticked_ms += self._gap_until(now)
            self._last_tick_at_ms = now
            return Ticked(now, self._ticked_ms)

    def beat(self, server_id: str, report: bytes, lifetime: timedelta) -> None:
        with self._changed:
            now = self._clock()
            self._heartbeats[server_id] = _Heartbeat(report, now, now + lifetime // timedelta(milliseconds=1))

    def servers(self) -> Mapping[str, Heard]:
        with self._changed:
            now = self._clock()
            self._heartbeats = {id_: beat for id_, beat in self._heartbeats.items() if beat.forgotten_at_ms > now}
            return {
                id_: Heard(beat.report, timedelta(milliseconds=now - beat.heard_at_ms))
                for id_, beat in self._heartbeats.items()
            }

    def count(self, items: Sequence[Counted]) -> int:
        with self._changed:
            return self._counts.count(items, self._clock())

    def outcome_counts(self, flag: str, first_minute: int, last_minute: int) -> Mapping[int, Mapping[str, int]]:
        with self._changed:
            return self._counts.between(flag, first_minute, last_minute)

    def evidence(self) -> Mapping[str, bytes]:
        with self._changed:
            return dict(self._evidence)

    def judge(self, flag: str, expected: bytes | None, document: bytes | None) -> bool:
        with self._changed:
            if self._evidence.get(flag) != expected:
                return False
            self._keep_evidence(flag, document)
            return True

    def use_keys(self, ids: Collection[str]) -> None:
        with self._changed:
            self._key_uses |= dict.fromkeys(ids, self._clock() // HOUR_MS)

    def key_uses(self) -> Mapping[str, int]:
        with self._changed:
            return dict(self._key_uses)

    def vitals(self) -> Vitals:
        return Vitals("memory")

    def expose(self, day: str, people: Mapping[str, Sequence[bytes]]) -> None:
        with self._changed:
            counted = self._exposed.setdefault(day, {})
            for name, hashes in people.items():
                counted.setdefault(name, set()).update(hashes)

    def exposed(self, day: str) -> Mapping[str, int]:
        with self._changed:
            return {name: len(hashes) for name, hashes in self._exposed.get(day, {}).items()}

    def forget_exposed(self, day: str) -> None:
        with self._changed:
            self._exposed.pop(day, None)

    def draw(self, flag: str, period: int, counts: Mapping[str, int], people: Mapping[str, Sequence[bytes]]) -> None:
        with self._changed:
            now = self._clock()
            self._drawn = {key: kept for key, kept in self._drawn.items() if kept[2] > now}
            counted, known, _ = self._drawn.get((flag, period), (Counter(), {}, 0))
            counted.update(counts)
            for name, hashes in people.items():
                known.setdefault(name, set()).update(hashes)
            self._drawn[flag, period] = counted, known, now + DRAWS_KEPT // timedelta(milliseconds=1)

    def drawn(self, flag: str, periods: Sequence[int]) -> Drawn:
        with self._changed:
            now, counts, people = self._clock(), Counter[str](), dict[str, set[bytes]]()
            for period in periods:
                counted, known, until = self._drawn.get((flag, period), (Counter(), {}, 0))
                if until > now:
                    counts.update(counted)
                    people |= {name: people.get(name, set()) | hashes for name, hashes in known.items()}
            return Drawn(dict(counts), {name: len(hashes) for name, hashes in people.items()})

    def claim(self, name: str, lifetime: timedelta) -> bool:
        with self._changed:
            now = self._clock()
            if self._claims.get(name, now) > now:
                return False
            self._claims[name] = now + lifetime // timedelta(milliseconds=1)
            return True

    def close(self) -> None:
        """There is nothing to give back."""

    def _gap_until(self, now: int) -> int:
        """What a tick now would count."""
        gap = 0 if self._last_tick_at_ms is None else now - self._last_tick_at_ms
        return gap if 0 < gap <= MAX_TICK_GAP // timedelta(milliseconds=1) else 0

    def _write(self, commit: Commit) -> None:
        self._revision += 1
        self._written_at_ms = commit.at_ms
        self._audit.append(commit.entry)
        self._head_hash, self._noted = entry_hash(commit.entry), 0
        self._changes.append(told(commit))
        if commit.shared is not None:
            self._shared = commit.shared
        for key, document in commit.flags.items():
            if document is None:
                self._flags.pop(key, None)
            else:
                self._flags[key] = document
        for flag, judged in commit.evidence.items():
            self._keep_evidence(flag, judged.after)
        self._blobs = {**commit.blobs, **self._blobs}
        repeat = Committed(self._revision, commit.answer, repeated=True)
        self._answered[commit.request_id] = _Answered(repeat, self._clock() + REQUESTS_KEPT_MS)

    def _keep_evidence(self, flag: str, document: bytes | None) -> None:
        if document is None:
            self._evidence.pop(flag, None)
        else:
            self._evidence[flag] = document

    def _forget_old_requests(self) -> None:
        now = self._clock()
        while self._answered:
            oldest = next(iter(self._answered))
            if self._answered[oldest].forgotten_at_ms > now:
                return
            del self._answered[oldest]
