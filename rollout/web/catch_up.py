"""A client that the stream told of a revision asks at once, and may reach a worker which does not have it yet. It gets
a moment to arrive, since nobody tells that client again: served what was before, it would keep that. One thread answers
all checks of a worker, so the wait is short, and there is one at most for each revision that the worker has.
"""

from __future__ import annotations

import re
import time

from rollout.service.follower import Follower

PATIENCE = 0.1  # seconds; a change is compiled in a few thousandths as a rule
LOOK_EVERY = 0.001

TOLD = re.compile(r'(?:W/)?"?r(\d{1,15})"?')
"""How the stream names a revision, and how clients quote it."""


def told_revision(etag: str) -> int | None:
    """The revision that an `etag` of the stream stands for; None for anything else."""
    found = TOLD.fullmatch(etag)
    return int(found[1]) if found else None


class CatchUp:
    def __init__(self, follower: Follower, patience: float = PATIENCE) -> None:
        self._follower = follower
        self._patience = patience
        self._in_vain_at = -1  # the revision that this worker had when it last waited for nothing

    def to(self, revision: int) -> bool:
        """Whether this worker has that revision, or a later one."""
        here = self._follower.current.revision
        if here >= revision:
            return True
        if self._follower.stale or here == self._in_vain_at:
            return False
        if self._arrives(revision):
            return True
        self._in_vain_at = here
        return False

    def _arrives(self, revision: int) -> bool:
        deadline = time.monotonic() + self._patience
        while self._follower.current.revision < revision:
            if time.monotonic() >= deadline:
                return False
            time.sleep(LOOK_EVERY)
        return True
