"""Which servers confirm that they serve what is in force. Asked now and then off the path of any request, so that the
metrics can tell of a server that fell silent.
"""

from __future__ import annotations

import time
from datetime import timedelta

from rollout.core.errors import StoreUnavailable
from rollout.service.ports import FlagStore

CONFIRMED = timedelta(seconds=10)
"""A server that was not heard for longer has not confirmed that it serves anything."""

CALL_EVERY = 5.0  # seconds


class RollCall:
    """`unconfirmed`: how many servers the store still knows that were not heard of lately. While the store is away it
    is what it was."""

    def __init__(self, store: FlagStore) -> None:
        self.unconfirmed = 0
        self._store = store
        self._call_at = 0.0

    def call(self) -> None:
        """Cheap when it was done a moment ago."""
        if time.monotonic() < self._call_at:
            return
        self._call_at = time.monotonic() + CALL_EVERY
        try:
            servers = self._store.servers()
        except StoreUnavailable:
            return
        self.unconfirmed = sum(heard.age > CONFIRMED for heard in servers.values())
