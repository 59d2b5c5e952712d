"""Between a follower and the disk: what was kept is served until the store answers, and every change is kept a moment
after it came.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from rollout.core.errors import StoreUnavailable
from rollout.service.follower import Follower
from rollout.service.ports import FlagStore, Stored
from rollout.service.snapshot import Snapshot
from rollout.stores.disk import DiskSnapshot

log = logging.getLogger(__name__)

KEEP_EVERY = 0.5  # seconds; of changes that come faster only the last is written


def start_from_disk(
    follower: Follower, kept: DiskSnapshot, part: Callable[[Stored], Stored] = lambda stored: stored
) -> None:
    """Begins with the snapshot on disk, if there is one, or with a part of it. No error here keeps anybody from
    starting."""
    try:
        stored = kept.read()
        if stored is not None:
            follower.start_from(part(stored), kept.blob)
    except Exception as error:  # written by another version, or incomplete
        log.warning("the snapshot on disk cannot be used: %s: %s", type(error).__name__, error)


class SnapshotKeeper:
    """Writes what the follower has to the disk when it differs from what was written last."""

    def __init__(self, follower: Follower, kept: DiskSnapshot, store: FlagStore) -> None:
        self._follower = follower
        self._kept = kept
        self._store = store
        self._written = follower.current.revision
        self._trouble = ""

    def keep(self) -> None:
        snapshot = self._follower.current
        if snapshot.revision == self._written:
            return
        try:
            self._kept.write(_stored(snapshot), snapshot.members, self._store.blob)
        except (OSError, StoreUnavailable) as error:
            self._say(f"the snapshot was not written to disk: {error}")
            return
        self._written, self._trouble = snapshot.revision, ""

    def _say(self, trouble: str) -> None:
        if trouble != self._trouble:
            log.warning(trouble)
        self._trouble = trouble


def _stored(snapshot: Snapshot) -> Stored:
    at_ms = snapshot.written_at_ms
    return Stored(snapshot.revision, at_ms, at_ms, snapshot.shared, snapshot.documents)
