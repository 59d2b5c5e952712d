"""How processes that hold many flags use the garbage collector. Snapshots have no cycles, so counting references frees
them; walking through them all, which Python by itself does again and again while they are read, takes most of the
time of reading 10,000 flags and holds up checks for half a second.
"""

from __future__ import annotations

import gc

from rollout.service.snapshot import Snapshot

THRESHOLDS = (1_000, 1_000, 100)
"""New objects before the young are looked at, few, since checks wait meanwhile; and how often that is done before older
ones are, seldom. Measured with 10,000 flags: reading takes 0.6 s instead of 4, and no pause is longer than 0.3 ms
instead of 460."""


def collect_seldom() -> None:
    gc.set_threshold(*THRESHOLDS)


class Residents:
    """Takes what a full read left in memory out of the collector's sight."""

    def __init__(self) -> None:
        self._shared: bytes | None = None

    def settle(self, snapshot: Snapshot) -> None:
        if snapshot.shared is self._shared:  # a small change, which keeps the very bytes
            return
        self._shared = snapshot.shared
        gc.freeze()
