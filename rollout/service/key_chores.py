"""What the gate noted, written off the path of any request: when keys were used, and that keys which were seen in a URL
are revoked. While the store is away it is kept for later.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from rollout.core.audit import Actor
from rollout.core.errors import StoreUnavailable, UnknownKey
from rollout.service.gate import Gate
from rollout.service.keys import KeyDesk
from rollout.service.operations import Operations, Request
from rollout.service.ports import FlagStore

HOUR = 3600.0  # seconds

WHY_REVOKED = "it was sent in a URL, where logs and histories keep it"


class KeyChores:
    """`clock`: seconds since 1970, which only says whether an hour is over."""

    def __init__(self, store: FlagStore, gate: Gate, server: str, clock: Callable[[], float]) -> None:
        self._store = store
        self._gate = gate
        self._desk = KeyDesk(store, Operations(store))
        self._actor = Actor("gate", "controller", server, "rollout serve")
        self._clock = clock
        self._hour = 0
        self._told: set[str] = set()  # keys of which the store knows that they were used in this hour
        self._untold: set[str] = set()

    def do(self) -> None:
        with suppress(StoreUnavailable):
            self._revoke_leaked()
            self._tell_uses()

    def _revoke_leaked(self) -> None:
        for key_id in self._gate.leaked():
            request = Request(self._actor, WHY_REVOKED, request_id=f"leaked:{key_id}")
            with suppress(UnknownKey):
                self._desk.revoke(key_id, request, even_last=True)

    def _tell_uses(self) -> None:
        hour = int(self._clock() // HOUR)
        if hour != self._hour:
            self._hour, self._told = hour, set()
        self._untold |= self._gate.used() - self._told
        if self._untold:
            self._store.use_keys(self._untold)
            self._told |= self._untold
            self._untold = set()
