"""What the tests of streams stand on: an event loop whose clock is moved by hand, and a client that keeps what it is
sent."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from typing import Any

from rollout.streams.hub import Hub


class HandLoop:
    """As much of an event loop as the hub uses. Nothing happens but in `advance`."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._order = count()
        self._due: list[tuple[float, int, Callable[..., Any], tuple[Any, ...]]] = []

    def time(self) -> float:
        return self._now

    def call_later(self, wait: float, call: Callable[..., Any], *arguments: Any) -> None:
        heapq.heappush(self._due, (self._now + wait, next(self._order), call, arguments))

    def call_soon(self, call: Callable[..., Any], *arguments: Any) -> None:
        self.call_later(0, call, *arguments)

    def advance(self, seconds: float) -> None:
        until = self._now + seconds
        while self._due and self._due[0][0] <= until:
            self._now, _, call, arguments = heapq.heappop(self._due)
            call(*arguments)
        self._now = until


class Reader:
    """A client, as the hub sees it."""

    def __init__(self, seen: int | None = None) -> None:
        self.seen = seen
        self.got: list[bytes] = []
        self.ended = False

    def send(self, frame: bytes) -> bool:
        self.got.append(frame)
        return True

    def end(self) -> None:
        self.ended = True

    @property
    def told(self) -> list[int]:
        """The revisions of the events that it got."""
        return [int(frame.split(b"\n")[0].removeprefix(b"id: ")) for frame in self.got if b"\ndata: " in frame]


def hub_at(revision: int | None, heartbeat: float = 15.0) -> tuple[Hub, HandLoop]:
    """One that has known its revision for long."""
    from rollout.streams.frames import Head

    loop = HandLoop()
    hub = Hub(loop, heartbeat)
    if revision is not None:
        hub.news(Head(revision, 1_700_000_000))
        loop.advance(60)
    return hub, loop
