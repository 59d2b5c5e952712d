"""One client, from its first byte to its last. It has a few seconds to say what it wants; then it gets a short answer
and is let go, or is a stream. A stream costs no task, no thread and no timer of its own, and keeps nothing of the
request. Whoever does not read, or goes on talking, is hung up on, so nothing grows.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rollout.core.errors import NotAllowed, NotAuthenticated, RolloutError, TooManyRequests
from rollout.service.gate import CHALLENGE, Gate
from rollout.streams.admission import admitted
from rollout.streams.frames import revision_in
from rollout.streams.hub import Hub
from rollout.streams.reading import NotUnderstood, Request, RequestReader
from rollout.streams.replies import error_reply, json_reply, stream_head, without_body

STREAM_PATH = "/v1/stream"
HEALTH_PATH = "/healthz"

ASKED_WITHIN = 5.0  # seconds for a request, from its connection on
GONE_WITHIN = 1.0  # seconds after a short answer, in which the client closes; until then what it sends is thrown away
MOST_WAITING = 4096  # bytes for one client that the system does not take any more, beyond its own buffer
RETRY_AFTER = (5, 15)  # seconds
SPARE = 256  # connections beyond the streams: for those who ask, and those who are told that it is full


@dataclass
class House:
    """What the connections of one server share."""

    hub: Hub
    cap: int
    gate: Gate = field(default_factory=lambda: Gate(dict, open_without_keys=True))
    asked_within: float = ASKED_WITHIN
    connections: int = 0

    def end_those_without_keys(self) -> None:
        """Closes the streams whose key has ended since they were opened."""
        for stream in self.hub.streams():
            if stream.key_id is not None and not self.gate.works(stream.key_id):
                stream.end()


class Connection(asyncio.Protocol):
    __slots__ = ("_house", "_reader", "_slot", "_timer", "_transport", "key_id", "seen")

    def __init__(self, house: House) -> None:
        self.seen: int | None = None
        self.key_id: str | None = None
        self._house = house
        self._reader: RequestReader | None = None
        self._slot: int | None = None  # of the hub, while it is a stream
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._house.connections += 1
        if self._house.connections > self._house.cap + SPARE:
            transport.write(self._full())
            transport.close()  # without a second for it, since these are beyond all bounds
            return
        self._reader = RequestReader()
        self._within(self._house.asked_within, self._late)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._house.connections -= 1
        self._stop_timer()
        if self._slot is not None:
            self._house.hub.leave(self, self._slot)
            self._slot = None

    def data_received(self, data: bytes) -> None:
        if self._slot is not None:
            self._refused("talking")
            self._transport.abort()
        elif self._reader is not None:
            self._read(self._reader, data)

    def send(self, frame: bytes) -> bool:
        if self._transport.is_closing():
            return False
        if self._transport.get_write_buffer_size() > MOST_WAITING:
            self._refused("slow")
            self._transport.abort()
            return False
        self._transport.write(frame)
        return True

    def end(self) -> None:
        self._transport.close()

    def _read(self, reader: RequestReader, data: bytes) -> None:
        try:
            request = reader.feed(data)
        except NotUnderstood as error:
            self._refused("bad request")
            self._reply(error_reply(error.status, "invalid", str(error)))
            return
        if request is not None:
            self._answer(request)

    def _answer(self, request: Request) -> None:
        if request.path not in (STREAM_PATH, HEALTH_PATH):
            reply = error_reply(404, "not_found", "there is nothing at this address", f"streams are at {STREAM_PATH}")
        elif request.method != "GET" and (request.method, request.path) != ("HEAD", HEALTH_PATH):
            said = f"this cannot be called with {request.method}"
            reply = error_reply(405, "method_not_allowed", said, headers={"Allow": "GET"})
        elif request.path == HEALTH_PATH:
            reply = json_reply(200, {"status": "ok"})
        elif self._house.hub.open >= self._house.cap:
            reply = self._full()
        elif (refusal := self._not_admitted(request)) is not None:
            reply = refusal
        else:
            self._stream(request)
            return
        self._reply(without_body(reply) if request.method == "HEAD" else reply)

    def _not_admitted(self, request: Request) -> bytes | None:
        try:
            key = admitted(self._house.gate, request).key
        except NotAuthenticated as error:
            return self._refusal(401, error, {"WWW-Authenticate": CHALLENGE})
        except NotAllowed as error:
            return self._refusal(403, error)
        except TooManyRequests as error:
            return self._refusal(429, error, {"Retry-After": str(error.retry_after)})
        self.key_id = key.id if key else None
        return None

    def _refusal(self, status: int, error: RolloutError, headers: Mapping[str, str] | None = None) -> bytes:
        self._refused("key")
        return error_reply(status, error.code, error.message, error.hint, headers)

    def _stream(self, request: Request) -> None:
        self._stop_timer()
        self._reader = None
        self.seen = None if request.last_event_id is None else revision_in(request.last_event_id)
        self._transport.write(stream_head())
        self._slot = self._house.hub.enter(self)

    def _reply(self, reply: bytes) -> None:
        """Closing at once what still sends would make the system throw away our answer with it."""
        self._reader = None
        self._transport.write(reply)
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._within(GONE_WITHIN, self._transport.abort)

    def _full(self) -> bytes:
        self._refused("full")
        return error_reply(
            503,
            "full",
            f"as many streams are open as may be: {self._house.cap}",
            "come back later; until then ask now and then, which an ETag makes cheap",
            {"Retry-After": str(random.randint(*RETRY_AFTER))},
        )

    def _late(self) -> None:
        self._refused("late")
        self._reply(error_reply(408, "late", f"no request came within {self._house.asked_within:g} seconds"))

    def _refused(self, reason: str) -> None:
        self._house.hub.refused[reason] += 1

    def _within(self, seconds: float, otherwise: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, otherwise)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
