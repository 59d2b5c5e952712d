"""All clients of a worker, on one thread: it waits for any of them, answers usual requests on the spot, and hands a
connection with any other request in it to the server for those, which gives it back. A request that does not come to
its end within two seconds is handed over as well, and one that never comes costs a socket until it is needed.
"""

from __future__ import annotations

import errno
import logging
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Generic, Protocol

from rollout.front.answers import Answer, Date
from rollout.front.connection import Connection
from rollout.front.polling import READ, WRITE, poll
from rollout.front.requests import Requests, Sender, Unusual

CONNECTIONS = 4096
"""Open at one time. When more come, those that have been silent for longest are let go."""

CLOSES = b"\r\nConnection: close"
LET_GO = 64  # at once
TOO_MANY_FILES = (errno.EMFILE, errno.ENFILE)
PATIENCE = 2.0  # seconds for a request that has begun
LOOK_EVERY = 0.5  # seconds
LONGEST_STOP = 5.0  # seconds for answers that are under way

log = logging.getLogger(__name__)


class Elsewhere(Protocol):
    """Where requests go that are not answered here; see others.py."""

    def take(self, connection: Connection, data: bytes) -> None:
        """`data`: what came of it already. The connection comes back by `returned`."""

    @property
    def busy(self) -> int:
        """Connections that it has at the moment."""

    def stop(self) -> None: ...


class Front(Generic[Sender]):
    """`listener` is shared with the other workers. `dressed`: a
    client's socket as it is used, such as with TLS. `understand`: see requests.py. `answer` is given
    method, path, query, sender and body, and says None of a request that it does not answer. All methods
    but `returned` and `stop` belong to the one thread that runs."""

    def __init__(
        self,
        listener: socket.socket,
        understand: Callable[[Mapping[str, str]], Sender | None],
        answer: Callable[[str, str, str, Sender, bytes], Answer | None],
        elsewhere: Callable[[Callable[[Connection, bytes], None]], Elsewhere],
        *,
        dressed: Callable[[socket.socket], socket.socket] | None = None,
        most: int = CONNECTIONS,
    ) -> None:
        self._listener = listener
        self._answer = answer
        self._dressed = dressed
        self._most = most
        self._requests = Requests(understand)
        self._date = Date()
        self._now = time.time()
        self._poll = poll()
        self._connections: dict[int, Connection] = {}
        self._unfinished: dict[int, float] = {}  # since when
        self._returning: deque[tuple[Connection, bytes]] = deque()
        self._woken, self._wake = socket.socketpair()
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        self._stopping = False
        self._elsewhere = elsewhere(self.returned)

    def returned(self, connection: Connection, data: bytes) -> None:
        """From any thread: requests of this connection are answered here again. `data`: what came besides."""
        self._returning.append((connection, data))
        self._rouse()

    def stop(self) -> None:
        """From any thread, or from a signal handler."""
        self._stopping = True
        self._rouse()

    def _rouse(self) -> None:
        with suppress(BlockingIOError):  # it is on its way already
            self._wake.send(b"!")

    def run(self) -> None:
        """Until it is told to stop; then for as long as answers are under way, at most."""
        self._listener.setblocking(False)
        self._poll.register(self._listener.fileno(), READ)
        self._poll.register(self._woken.fileno(), READ)
        look_at = time.monotonic()
        while not self._stopping:
            self._turn(LOOK_EVERY)
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + LOOK_EVERY
                self._look_at_unfinished()
        self._finish()

    def _turn(self, longest: float) -> None:
        """`longest`: seconds to wait."""
        events = self._poll.poll(longest)
        self._now = time.time()
        self._date.be(self._now)
        connections = self._connections
        for number, event in events:
            connection = connections.get(number)
            if connection is None:
                self._besides(number)
                continue
            connection.at = self._now
            try:
                if event & WRITE:
                    self._go_on_sending(number, connection)
                elif (data := connection.receive()) is not None:
                    self._received(number, connection, data)
            except OSError:
                self._lost(number, connection)

    def _besides(self, number: int) -> None:
        if number == self._woken.fileno():
            self._woken.recv(4096)
            while self._returning:
                self._readmit(*self._returning.popleft())
        elif number == self._listener.fileno():
            self._accept()

    def _received(self, number: int, connection: Connection, data: bytes) -> None:
        if not data:
            self._close(number, connection)
            return
        if connection.unread:
            data = connection.unread + data
            connection.unread = b""
            self._unfinished.pop(number, None)
        while data:
            try:
                found = self._requests.first_in(data)
                if found is None:
                    self._keep(number, connection, data)
                    return
                method, path, query, sender, body, size, last = found
                answer = self._answer(method, path, query, sender, body)
            except Unusual:
                answer = None
            except Exception:  # whatever it is, the others' requests go on, and this one is answered elsewhere
                log.exception("a usual request was not answered here")
                answer = None
            if answer is None:
                self._hand_over(number, connection, data)
                return
            if last:
                connection.is_over = True
                connection.send(answer.start + self._date.text + CLOSES + answer.rest)
            else:
                connection.send(answer.start + self._date.text + answer.rest)
            data = data[size:]
            if connection.unsent or connection.is_over:
                self._after_sending(number, connection, data)
                return

    def _after_sending(self, number: int, connection: Connection, more: bytes) -> None:
        """Where the client has to take what it was sent first, what it asks besides, `more`, waits for that."""
        if connection.unsent:
            connection.unread = more
            self._poll.modify(number, WRITE)
        else:
            self._close(number, connection)

    def _go_on_sending(self, number: int, connection: Connection) -> None:
        connection.send(connection.unsent)
        if connection.unsent:
            return
        if connection.is_over:
            self._close(number, connection)
            return
        self._poll.modify(number, READ)
        if connection.unread:
            more, connection.unread = connection.unread, b""
            self._received(number, connection, more)

    def _keep(self, number: int, connection: Connection, data: bytes) -> None:
        connection.unread = data
        self._unfinished[number] = time.monotonic()

    def _look_at_unfinished(self) -> None:
        until = time.monotonic() - PATIENCE
        for number in [number for number, since in self._unfinished.items() if since <= until]:
            self._hand_over(number, self._connections[number], self._connections[number].unread)

    def _hand_over(self, number: int, connection: Connection, data: bytes) -> None:
        self._forget(number)
        connection.unread = b""
        self._elsewhere.take(connection, data)

    def _readmit(self, connection: Connection, data: bytes) -> None:
        if self._stopping:
            connection.close()
            return
        connection.at = self._now
        number = connection.socket.fileno()
        self._connections[number] = connection
        self._poll.register(number, READ)
        try:
            if data:
                self._received(number, connection, data)
        except OSError:
            self._lost(number, connection)

    def _accept(self) -> None:
        """One, so that other workers get some; there are more as soon as there is time."""
        try:
            sock, address = self._listener.accept()
        except OSError as error:  # another worker was quicker, it is gone again, or there are too many files
            if error.errno in TOO_MANY_FILES:
                self._let_go_if_full(len(self._connections))
            return
        self._let_go_if_full(self._most)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock = self._dressed(sock) if self._dressed else sock
        except (OSError, ValueError):  # so soon gone
            sock.close()
            return
        self._connections[sock.fileno()] = Connection(sock, address, self._now)
        self._poll.register(sock.fileno(), READ)

    def _let_go_if_full(self, most: int) -> None:
        if not self._connections or len(self._connections) + self._elsewhere.busy < most:
            return
        silent = sorted(self._connections.items(), key=lambda one: one[1].at)[:LET_GO]
        for number, connection in silent:
            self._close(number, connection)

    def _lost(self, number: int, connection: Connection) -> None:
        if self._connections.get(number) is connection:
            self._close(number, connection)

    def _close(self, number: int, connection: Connection) -> None:
        self._forget(number)
        connection.close()

    def _forget(self, number: int) -> None:
        self._poll.unregister(number)
        self._connections.pop(number)
        self._unfinished.pop(number, None)

    def _finish(self) -> None:
        """Nobody else is let in; what was asked is answered."""
        self._poll.unregister(self._listener.fileno())
        self._listener.close()
        for number, connection in list(self._connections.items()):
            if not connection.unsent:
                self._close(number, connection)
        until = time.monotonic() + LONGEST_STOP
        while (self._connections or self._elsewhere.busy) and time.monotonic() < until:
            self._turn(0.05)
        self._elsewhere.stop()
