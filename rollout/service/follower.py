"""Keeps a process's snapshot up to date with the store. It reads changes as they are told, compares revisions every two
seconds, reads everything anew when it missed something, and never steps back to a lower revision by itself. Whatever
goes wrong, the last good snapshot stays; then `stale` is true and `trouble` says why.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from rollout.core.errors import StoreUnavailable
from rollout.service.ports import Followed, Stored
from rollout.service.snapshot import (
    FetchBlob,
    Snapshot,
    empty_snapshot,
    next_snapshot,
    parts_of,
    take_snapshot,
    together,
)

WAIT = timedelta(seconds=1)
COMPARE_EVERY = 2.0  # seconds, with up to a quarter more so that servers do not ask in step
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0  # seconds between attempts while the store is away


class Follower:
    """Owned by one thread that calls `run`; everybody reads `current` and `stale`, which are swapped whole."""

    def __init__(self, store: Followed, on_change: Callable[[Snapshot], None] = lambda _: None) -> None:
        self.current: Snapshot = empty_snapshot()
        self.stale = True
        self.trouble: str | None = "the store has not answered yet"
        self._store = store
        self._on_change = on_change
        self._compare_at = 0.0
        self._pause = FIRST_PAUSE
        self._left: list[object] = []  # of snapshots that were replaced

    def start_from(self, stored: Stored, blob: FetchBlob) -> None:
        """Begins with what was kept on disk, until the store answers. Raises StoreUnavailable when it is not whole."""
        self._swap(take_snapshot(stored, blob, self.current))

    def run(self, stop: threading.Event) -> None:
        """Follows until told to stop, pausing a little longer each time the store does not answer."""
        while not stop.is_set():
            if self.follow():
                self._pause = FIRST_PAUSE
            else:
                stop.wait(self._pause * random.uniform(0.5, 1))
                self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def follow(self, wait: timedelta = WAIT) -> bool:
        """One round: up to date, or as far as the store can be reached. False when something is wrong."""
        try:
            if self.stale or time.monotonic() >= self._compare_at:
                self._compare()
            self._catch_up(wait)
        except StoreUnavailable as error:
            return self._in_trouble(error.message)
        except Exception as error:  # a document that cannot be read must not end the following
            return self._in_trouble(f"what the store holds cannot be read: {type(error).__name__}: {error}")
        self.stale, self.trouble = False, None
        return True

    def read(self) -> None:
        """Up to date now. Raises StoreUnavailable."""
        self._compare()

    def _compare(self) -> None:
        """Changes can be missed, when the store was replaced or a connection broke; revisions cannot lie."""
        revision = self._store.revision()
        if revision < self.current.revision:
            raise StoreUnavailable(
                f"the store is behind: it is at revision {revision}, this server at {self.current.revision}; restore "
                "it, or, if it was emptied on purpose, remove snapshot.json from the data folder and start again"
            )
        if revision > self.current.revision:
            self._read_anew()
        self._compare_at = time.monotonic() + COMPARE_EVERY * random.uniform(1, 1.25)

    def _catch_up(self, wait: timedelta) -> None:
        changes = self._store.changes(self.current.revision, wait)
        if changes is None:
            self._read_anew()
            return
        if not changes:
            self._let_go()
        news = [change for change in changes if change.revision > self.current.revision]
        expected = range(self.current.revision + 1, self.current.revision + 1 + len(news))
        if any(change.whole for change in news) or [change.revision for change in news] != list(expected):
            self._read_anew()
        elif news:
            self._swap(next_snapshot(together(news), self.current))

    def _read_anew(self) -> None:
        stored = self._store.read()
        if stored.revision > self.current.revision:
            snapshot = take_snapshot(stored, self._store.blob, self.current)
            self._let_go()
            self._left = parts_of(self.current)
            self._swap(snapshot)

    def _let_go(self) -> None:
        """Frees what was replaced bit by bit, in a quiet moment, when nobody else has it any more: ten thousand flags
        that are freed with the last that holds them hold up checks for 30 ms."""
        while self._left:
            self._left.pop()

    def _swap(self, snapshot: Snapshot) -> None:
        self.current = snapshot
        self._on_change(snapshot)

    def _in_trouble(self, trouble: str) -> bool:
        self.stale, self.trouble = True, trouble
        return False
