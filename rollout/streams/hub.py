"""All open streams. What is new is told to those who have not heard it, once, whatever came in between; those who are
silent are kept awake; those who do not read are let go. It lives on one event loop and waits for nobody.

A client asks for its flags, then opens its stream; what changes in between nobody would tell it. So whoever comes
without an id shortly after a change is told of it, at worst once too often.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Protocol

from rollout.streams.frames import HEARTBEAT, Head, opening, refetch
from rollout.streams.pace import Pace

TOGETHER = 0.05  # seconds from the first news to telling it; what comes meanwhile is told with it. Workers, who hear
# it at the same moment, have it by then, and whoever asks again is answered with it
RECENT = 10.0  # seconds that may lie between asking for flags and opening a stream
TOLD_A_SECOND = 10_000  # events, while changes come without end: each of them makes a client ask for its flags
CAUGHT_UP_A_SECOND = 1000  # of those who come back having missed something; two workers answer a few thousand
RETRY_MS = (1000, 6000)  # between these each client is given its own pause before it comes back
SLICE = 250  # streams told before others get their turn on the loop
BEATS = 15  # slots; each gets its heartbeat at another time, so that no second has them all


class Stream(Protocol):
    """An open one. `seen`: the revision that its client was told last; None where we do not know."""

    seen: int | None
    key_id: str | None  # of the key that opened it

    def send(self, frame: bytes) -> bool:
        """False where it cannot take any more: then it is closed."""

    def end(self) -> None:
        """Closes it, once what was sent has left."""


class Hub:
    """`open`, `told` (events sent) and `refused` (reason -> how many) may be read by any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, heartbeat: float, together: float = TOGETHER) -> None:
        """`heartbeat`: seconds between two of a stream."""
        self.head: Head | None = None  # nothing is known before the store, or the disk, said it
        self.told = 0
        self.refused: Counter[str] = Counter()
        self._loop = loop
        self._together = together
        self._slots: list[set[Stream]] = [set() for _ in range(BEATS)]
        self._count = 0
        self._opened = 0
        self._telling = False
        self._news_at = float("-inf")
        self._tell_at = 0.0  # not before
        self._frame = b""
        self._pace = Pace(CAUGHT_UP_A_SECOND)
        self._beat_every = heartbeat / BEATS
        self._beat(0)

    @property
    def open(self) -> int:
        return self._count

    def news(self, head: Head) -> None:
        """There is a new revision."""
        self.head, self._frame = head, refetch(head)
        self._news_at = now = self._loop.time()
        if not self._telling:
            self._telling = True
            self._loop.call_later(max(self._together, self._tell_at - now), self._tell)

    def enter(self, stream: Stream) -> int:
        """A stream opens; gives the slot with which it leaves."""
        slot = self._opened % BEATS
        self._opened += 1
        self._slots[slot].add(stream)
        self._count += 1
        self._begin(stream)
        return slot

    def leave(self, stream: Stream, slot: int) -> None:
        self._slots[slot].discard(stream)
        self._count -= 1

    def streams(self) -> list[Stream]:
        return [stream for slot in self._slots for stream in slot]

    def end(self) -> None:
        """Closes all streams; their clients come back, each after the pause that it was given."""
        for stream in self.streams():
            stream.end()

    def _begin(self, stream: Stream) -> None:
        head, retry_ms = self.head, random.randint(*RETRY_MS)
        if stream.seen is None and head is not None and self._loop.time() - self._news_at > RECENT:
            stream.seen = head.revision
        known = head is not None and stream.seen == head.revision
        if not stream.send(opening(retry_ms, stream.seen if known else None)) or known or head is None:
            return
        wait = self._pace.wait(self._loop.time())
        self._loop.call_later(wait, self._catch_up, stream) if wait else self._catch_up(stream)

    def _catch_up(self, stream: Stream) -> None:
        if self.head is None or stream.seen == self.head.revision:
            return
        stream.seen = self.head.revision
        self.told += stream.send(self._frame)

    def _tell(self) -> None:
        self._telling = False
        self._tell_at = self._loop.time() + self._count / TOLD_A_SECOND
        self._tell_some(iter([stream for slot in self._slots for stream in slot]))

    def _tell_some(self, left: Iterator[Stream]) -> None:
        some = list(islice(left, SLICE))
        for stream in some:
            self._catch_up(stream)
        if some:
            self._loop.call_soon(self._tell_some, left)

    def _beat(self, slot: int) -> None:
        self._loop.call_later(self._beat_every, self._beat, (slot + 1) % BEATS)
        for stream in tuple(self._slots[slot]):
            stream.send(HEARTBEAT)
