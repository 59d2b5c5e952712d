"""What was in force at a past moment, made again from the audit: the state of then, asked by the evaluator of always,
gives the answers that were given. States on the way are kept, so that the next question near by has little to do.

Entries and files come from the store; where it no longer has them, from the copy of the record on this server.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from rollout.core.audit import read_line
from rollout.core.documents import Document, instant_text, read_instant
from rollout.core.errors import InvalidInput, NotYet, StoreUnavailable
from rollout.core.progress import State
from rollout.service.moments import read_moment
from rollout.service.operations import moment_of
from rollout.service.ports import FlagStore
from rollout.service.replay import replay
from rollout.service.snapshot import Snapshot, empty_snapshot, snapshot_of

PAGE = 1000  # entries that are read at a time
STEP = 25  # entries between two looks at the clock
KEPT_EVERY = 100  # entries between two states that are kept
MOST_KEPT = 128  # states; they share all that did not change between them


class Copy(Protocol):
    """The record on this server. Raises OSError."""

    def changes(self, after: int, before: int) -> Iterator[bytes]:
        """The lines of changes, oldest first, with after < revision < before."""

    def blob(self, digest: str) -> bytes | None: ...


class NoCopy:
    def changes(self, after: int, before: int) -> Iterator[bytes]:  # noqa: ARG002
        return iter(())

    def blob(self, digest: str) -> bytes | None:  # noqa: ARG002
        return None


@dataclass(frozen=True, slots=True)
class Then:
    """What was in force at a moment. `since`: when its revision was written."""

    moment: datetime
    since: datetime
    snapshot: Snapshot


class Past:
    """`patience`: how long one question may take before it is given up with NotYet; what was done until then is kept,
    so that asking again comes further. None: as long as it takes."""

    def __init__(
        self,
        store: FlagStore,
        copy: Copy | None = None,
        patience: timedelta | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._copy = copy or NoCopy()
        self._patience = patience
        self._clock = clock
        self._kept: OrderedDict[int, State] = OrderedDict()
        self._snapshot = empty_snapshot()  # the last that was asked for

    def moment(self, text: str) -> datetime:
        """As it is written, on the store's clock. Raises InvalidInput for what is none, or is still to come."""
        return read_moment(text, moment_of(self._store.read([])).at)

    def at(self, moment: datetime) -> Then:
        """Raises InvalidInput for a moment before the record began, NotYet, StoreUnavailable."""
        entry = self._last_entry(instant_text(moment))
        if entry["revision"] != self._snapshot.revision:
            self._snapshot = snapshot_of(self._state(entry["revision"]), self.blob, self._snapshot)
        return Then(moment, read_instant(entry["at"]), self._snapshot)

    def entries(self, after: int, before: int) -> Iterator[Document]:
        """What was changed, oldest first, with after < revision < before. Raises NotYet, StoreUnavailable."""
        in_time = self._timer()
        for lines in self._pages(after, before):
            for line in lines:
                yield read_line(line)
            in_time()

    def blob(self, digest: str) -> bytes | None:
        return self._store.blob(digest) or self._copy.blob(digest)

    def _last_entry(self, at: str) -> Document:
        """Of all changes up to then. Times never go back, so it is found by halving."""
        first = self._entry(0)
        if first is None or at < first["at"]:
            return self._copied_entry(at, first)
        low, high = first, self._store.revision()
        while low["revision"] < high:
            middle = (low["revision"] + high + 1) // 2
            entry = self._entry(middle - 1)
            if entry is None or entry["at"] > at:
                high = middle - 1
            else:
                low = entry
        return low

    def _entry(self, after: int) -> Document | None:
        lines = self._store.audit(after=after, limit=1)
        return read_line(lines[0]) if lines else None

    def _copied_entry(self, at: str, first: Document | None) -> Document:
        """From before the first that the store has."""
        found, begins = None, first
        if first is None or first["revision"] > 1:
            in_time = self._timer()
            for line in self._from_copy(0, first["revision"] if first else 2**53):
                entry = read_line(line)
                in_time()
                begins = begins if found else entry
                if entry["at"] > at:
                    break
                found = entry
        if found is None:
            began = f"it begins at {begins['at']}, with revision {begins['revision']}" if begins else "nothing was yet"
            raise InvalidInput(f"{at} is before the record began", began)
        return found

    def _state(self, revision: int) -> State:
        state = self._nearest(revision)
        in_time = self._timer()
        for lines in self._pages(state.revision, revision + 1):
            for start in range(0, len(lines), STEP):
                state = replay(lines[start : start + STEP], self.blob, state)
                if state.revision // KEPT_EVERY != (state.revision - STEP) // KEPT_EVERY:
                    self._keep(state)
                if state.revision < revision:
                    in_time(state)
        if state.revision != revision:
            raise StoreUnavailable(f"the record ends at revision {state.revision}", "is this the store of always?")
        return state  # and is not kept: those that were asked for would push out those that lie all the way along

    def _nearest(self, revision: int) -> State:
        nearest = max((one for one in self._kept if one <= revision), default=0)
        if nearest:
            self._kept.move_to_end(nearest)
        return self._kept.get(nearest) or State()

    def _keep(self, state: State) -> None:
        self._kept[state.revision] = state
        self._kept.move_to_end(state.revision)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    def _timer(self) -> Callable[..., None]:
        """To be called now and then; raises NotYet when the time for this question is over."""
        began = self._clock()

        def in_time(reached: State | None = None) -> None:
            if self._patience is None or self._clock() - began < self._patience.total_seconds():
                return
            if reached is not None:
                self._keep(reached)
            raise NotYet(
                "there are too many changes to go through in one answer",
                "ask again, it goes on from there; or go straight to the store with --url redis://…",
            )

        return in_time

    def _pages(self, after: int, before: int) -> Iterator[Sequence[bytes]]:
        """Every change between, from the store, or where that begins later, from the copy."""
        while after + 1 < before:
            lines = self._store.audit(after=after, before=before, limit=PAGE)
            begins = read_line(lines[0])["revision"] if lines else before
            if begins > after + 1:
                lines = list(self._from_copy(after, begins))
            if not lines:
                raise StoreUnavailable(
                    f"neither the store nor this server's copy of the record has revision {after + 1}",
                    "ask a server that ran then, or read the record that was exported",
                )
            yield lines
            after = read_line(lines[-1])["revision"]

    def _from_copy(self, after: int, before: int) -> Iterator[bytes]:
        try:
            yield from self._copy.changes(after, before)
        except OSError as error:
            raise StoreUnavailable(f"this server's copy of the record cannot be read: {error}") from error
