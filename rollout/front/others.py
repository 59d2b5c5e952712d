"""Whatever is not answered by the front: waitress, a complete HTTP server, beside it in the same process. It takes a
connection over with what came of it, reads the whole request before anybody has to act on it, so that a slow client
holds up nobody, and lets one thread answer. Then the connection goes back to the front.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import copy
from typing import TYPE_CHECKING, Any, TypeAlias

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import UnixWSGIServer
from waitress.task import ErrorTask

from rollout.front.connection import Connection

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

USUAL_BODY = 1024 * 1024  # bytes; what a call takes is less, and said by it
LARGEST_HEAD = 64 * 1024  # bytes
IDLE = 30  # seconds that a client may be silent in the middle of a request
MOST = 1024  # connections

CODES = {413: "too_large", 431: "too_large", 500: "error"}

SETTINGS: dict[str, Any] = {
    "threads": 1,  # what answers requests is made for one thread
    "ident": None,
    "channel_timeout": IDLE,
    "cleanup_interval": 2,
    "max_request_body_size": USUAL_BODY + 1,
    "max_request_header_size": LARGEST_HEAD,
    "clear_untrusted_proxy_headers": False,  # nobody reads any
    "asyncore_use_poll": True,
    "log_socket_errors": False,
    "recv_bytes": 64 * 1024,
}


log = logging.getLogger(__name__)
logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a request that waits for another is no news,
logging.getLogger("waitress").setLevel(logging.WARNING)  # nor a client that leaves

Largest: TypeAlias = Callable[[str, Mapping[str, str]], int]


def usual_body(_path: str, _headers: Mapping[str, str]) -> int:
    """The same for everybody."""
    return USUAL_BODY


class Others:
    """`returned` is called for each connection that shall go on elsewhere. `largest`: the bytes that the body of a
    request to a path may have, with headers that are named as in WSGI, but without HTTP_. `secure`: clients speak
    TLS."""

    def __init__(
        self,
        application: WSGIApplication,
        returned: Callable[[Connection, bytes], None],
        *,
        largest: Largest = usual_body,
        secure: bool = False,
    ) -> None:
        settings = _Settings(unix_socket="unused", url_scheme="https" if secure else "http", **SETTINGS)
        settings.largest = largest
        self._server = _Server(application, returned, settings)
        self._stopping = False
        threading.Thread(target=self._run, name="others", daemon=True).start()

    def take(self, connection: Connection, data: bytes) -> None:
        self._server.coming.add(connection)
        self._server.trigger.pull_trigger(lambda: self._server.admit(connection, data))

    @property
    def busy(self) -> int:
        return len(self._server.active_channels) + len(self._server.coming)

    def stop(self) -> None:
        self._stopping = True
        self._server.task_dispatcher.shutdown(timeout=0.1)

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._server.run()
            except Exception:  # without it, nothing but checks would be answered any more
                log.exception("the server for all that is not a check begins again")


class _Settings(Adjustments):  # type: ignore[misc]  # waitress has no types
    largest: Largest


class _Server(UnixWSGIServer):  # type: ignore[misc]  # waitress has no types
    """Waitress without a door of its own: its listening socket is one that nobody can reach and that never listens."""

    def __init__(
        self, application: WSGIApplication, returned: Callable[[Connection, bytes], None], settings: _Settings
    ) -> None:
        self.returned = returned
        self.coming: set[Connection] = set()  # that were taken and not admitted yet
        unreachable = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        super().__init__(application, {}, _start=False, _sock=unreachable, adj=settings, bind_socket=False)

    def admit(self, connection: Connection, data: bytes) -> None:
        if len(self.active_channels) >= MOST:
            self._let_go()
        with suppress(OSError):  # it is gone
            _Channel(self, connection, data)
        self.coming.discard(connection)

    def readable(self) -> bool:
        super().readable()  # which looks after those who are silent
        return False

    def _let_go(self) -> None:
        """Of the first that came, those for whom nothing is done."""
        for channel in [one for one in self.active_channels.values() if not one.requests][:16]:
            channel.handle_close()


class _Parser(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
    """Whatever announces a larger body than is read comes without it to the application, which says so in its own
    words; then the connection ends, since the body may still come. A body whose length is said in two ways has none."""

    adj: _Settings
    content_length: int

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            raise ParsingError("Content-Length beside Transfer-Encoding")
        if self.content_length <= USUAL_BODY:
            return
        most = self.adj.largest(self.path, self.headers)
        if self.content_length > most:
            self.content_length, self.body_rcv = 0, None
            self.expect_continue = False
            self.headers["CONNECTION"] = "close"
        else:
            self.adj = copy(self.adj)
            self.adj.max_request_body_size = most + 1


class _Refusal(ErrorTask):  # type: ignore[misc]  # waitress has no types
    """What cannot be read is refused in JSON, like everything else."""

    def execute(self) -> None:
        error = self.request.error
        said = {"code": CODES.get(error.code, "invalid"), "message": f"{error.reason}: {error.body}"}
        body = json.dumps({"error": said}).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", "application/json"))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    """One connection, until nothing is left to do for it."""

    parser_class = _Parser
    error_task_class = _Refusal

    def __init__(self, server: _Server, connection: Connection, data: bytes) -> None:
        self._connection = connection
        self._asked = False
        super().__init__(server, connection.socket, connection.address, server.adj, map=server._map)
        self.received(data)

    def readable(self) -> bool:
        """Asked by waitress in each turn of its loop."""
        if self._is_done():
            self._give_back()
            return False
        return bool(super().readable())

    def handle_read(self) -> None:
        """As waitress does it, but that TLS may have had something to say to itself only."""
        try:
            data = self.recv(self.adj.recv_bytes)
        except BlockingIOError:
            return
        except OSError:
            self.handle_close()
            return
        if data:
            self.last_activity = time.time()
            self.received(data)

    def service(self) -> None:
        self._asked = True
        super().service()

    def _is_done(self) -> bool:
        if not self._asked:
            return False
        with self.requests_lock:
            busy = self.requests or self.request is not None
        return not (busy or self.total_outbufs_len or self.will_close or self.close_when_flushed)

    def _give_back(self) -> None:
        self.del_channel()
        self.connected = False
        self.server.returned(self._connection, b"")
