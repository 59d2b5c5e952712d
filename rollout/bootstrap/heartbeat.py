"""Says to the store, and so to everybody who asks for the status, that this process is alive and which revision it
serves: each second, and a moment after a change.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson

from rollout.core.errors import StoreUnavailable
from rollout.service.follower import Follower
from rollout.service.ports import FlagStore

BEAT_EVERY = 1.0  # seconds
LIFETIME = timedelta(minutes=2)  # forgotten when so long nothing was heard


class Heartbeat:
    """`kind` is server, worker, admin or stream; `more` adds to the report."""

    def __init__(
        self,
        store: FlagStore,
        follower: Follower,
        *,
        kind: str,
        server_id: str,
        more: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        self._store = store
        self._follower = follower
        self._more = more
        self._id = server_id if kind == "server" else f"{server_id}/{os.getpid()}"
        self._facts = {"kind": kind, "server": server_id, "host": socket.gethostname(), "pid": os.getpid()}

    def beat(self) -> None:
        """Nothing where the store cannot be reached: silence says it."""
        try:
            self._store.beat(self._id, orjson.dumps(self.report()), LIFETIME)
        except StoreUnavailable:
            return

    def report(self) -> dict[str, Any]:
        return {
            **self._facts,
            "revision": self._follower.current.revision,
            "at_ms": time.time_ns() // 1_000_000,
            "stale": self._follower.stale,
            "trouble": self._follower.trouble,
            **self._more(),
        }
