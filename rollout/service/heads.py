"""A store of which only the revision is followed, when it was written, and who may ask: for those who tell that
something changed, and not what. Following is the same as of the whole, but nothing is compiled and no member list is
fetched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from rollout.service.encoding import keys_alone
from rollout.service.ports import Change, FlagStore, Stored


def head_of(stored: Stored) -> Stored:
    return replace(stored, shared=keys_alone(stored.shared), flags={})


def kept_head(stored: Stored) -> Stored:
    """What was kept on disk; that does not know when it was written."""
    return replace(head_of(stored), written_at_ms=0)


class Heads:
    """What a Follower needs of a store."""

    def __init__(self, store: FlagStore) -> None:
        self._store = store
        self.revision: Callable[[], int] = store.revision
        self.blob: Callable[[str], bytes | None] = store.blob

    def read(self) -> Stored:
        return head_of(self._store.read([]))

    def changes(self, after: int, wait: timedelta) -> list[Change] | None:
        """Each as one that must be read: what is told of a change does not say when it was written."""
        changes = self._store.changes(after, wait)
        return changes and [Change(change.revision, whole=True) for change in changes]
