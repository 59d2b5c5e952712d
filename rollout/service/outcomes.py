"""How one worker takes outcomes in. A request adds what it brings to a buffer in memory and is answered; a thread hands
the buffer to the store each second, so that load does not reach the store one by one. What the store does not take
stays, in order, and is tried again. The buffer is bounded: a batch that does not fit is refused whole, so that its
sender can send it again, and none is ever dropped in silence.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rollout.core.definitions import Definitions
from rollout.core.errors import InvalidInput, RolloutError, StoreUnavailable, UnknownFlag
from rollout.core.outcome_cautions import Caution
from rollout.core.outcome_reading import OutcomeReader
from rollout.service.follower import Follower
from rollout.service.measures import Counters
from rollout.service.ports import Counted, FlagStore
from rollout.service.snapshot import Snapshot

MAX_BUFFERED = 100_000  # outcomes of one worker: half a minute of 3,000 a second, about 11 MB
BATCH = 500  # outcomes that the store counts at a time, in a few milliseconds


def wall_clock() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Refused:
    index: int  # in the batch, from 0
    error: RolloutError


@dataclass(slots=True)
class Noticed:
    """A caution, the first outcome that it is about, and how many there are."""

    caution: Caution
    index: int
    count: int = 0


@dataclass(slots=True)
class Taken:
    """What became of a batch."""

    accepted: int = 0
    refused: list[Refused] = field(default_factory=list)
    noticed: dict[Caution, Noticed] = field(default_factory=dict)


class Intake:
    """`take` is called by the one thread that answers requests, and waits for nothing; `flush` by any other."""

    def __init__(
        self,
        store: FlagStore,
        follower: Follower,
        counters: Counters,
        *,
        clock: Callable[[], datetime] = wall_clock,
        most: int = MAX_BUFFERED,
    ) -> None:
        self._store = store
        self._follower = follower
        self._counters = counters
        self._clock = clock
        self._most = most
        self._read_from: Snapshot | None = None
        self._reader = OutcomeReader(Definitions(), {})
        self._waiting: deque[Counted] = deque()
        self._sending: list[Counted] = []  # taken out of `waiting`, perhaps counted, not known to be
        self._taken = 0  # ever; written by `take` alone
        self._handed_over = 0  # of these; written by `flush` alone
        self._flushing = threading.Lock()

    @property
    def buffered(self) -> int:
        return self._taken - self._handed_over

    def take(self, batch: Sequence[object]) -> Taken:
        """Takes what can be counted and says why of what cannot. Raises StoreUnavailable where the batch does not fit,
        or where this server has no flags yet: then nothing of it was taken."""
        reader = self._current_reader()
        if self.buffered + len(batch) > self._most:
            raise StoreUnavailable(
                f"{self.buffered} outcomes wait for the store, and {len(batch)} more would be over {self._most}",
                "send the same batch again later; nothing of it was taken",
            )
        taken, counted = read_outcomes(reader, batch, self._clock())
        self._waiting.extend(counted)
        self._taken += len(counted)
        self._counters.outcomes_taken(taken.accepted, len(taken.refused))
        return taken

    def flush(self) -> None:
        """Hands everything over that waits. Raises StoreUnavailable when the store does not take it; it is kept."""
        with self._flushing:
            while self._sending or self._waiting:
                self._sending = self._sending or self._next_batch()
                new = self._store.count(self._sending)
                self._counters.outcomes_repeated(len(self._sending) - new)
                self._handed_over += len(self._sending)
                self._sending = []

    def _next_batch(self) -> list[Counted]:
        return [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]

    def _current_reader(self) -> OutcomeReader:
        snapshot = self._follower.current
        if snapshot.revision == 0 and self._follower.stale:
            raise StoreUnavailable("this server knows no flags yet", "send the same batch again later")
        if snapshot is not self._read_from:
            self._reader = OutcomeReader(snapshot.state.definitions, snapshot.state.records)
            self._read_from = snapshot
        return self._reader


def read_outcomes(reader: OutcomeReader, batch: Sequence[object], now: datetime) -> tuple[Taken, list[Counted]]:
    """What of a batch can be counted, and what became of each."""
    taken, counted = Taken(), []
    for index, item in enumerate(batch):
        try:
            kind, fingerprint = reader.read(item, now)
        except (InvalidInput, UnknownFlag) as error:
            taken.refused.append(Refused(index, error))
            continue
        counted.append(Counted(kind.flag, fingerprint, kind.fields))
        for caution in kind.cautions:
            taken.noticed.setdefault(caution, Noticed(caution, index)).count += 1
    taken.accepted = len(counted)
    return taken, counted


def taken_document(taken: Taken) -> dict[str, Any]:
    return {
        "accepted": taken.accepted,
        "refused": [_refused(refused) for refused in taken.refused],
        "warnings": [_warning(noticed) for noticed in taken.noticed.values()],
    }


def _refused(refused: Refused) -> dict[str, Any]:
    error = refused.error
    return {"index": refused.index, "code": error.code, "message": error.message, "hint": error.hint}


def _warning(noticed: Noticed) -> dict[str, Any]:
    caution = noticed.caution
    return {
        "index": noticed.index,
        "count": noticed.count,
        "code": caution.code,
        "message": caution.message,
        "hint": caution.hint,
    }
