"""The stream of changes (server-sent events): says when to ask for the ruleset, and nothing else, so that whatever is
lost on it costs a little time and never the truth. One thread, which comes back after a break, spread by jitter.
"""

from __future__ import annotations

import http.client
import logging
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

from rollout.client.refreshing import Refresher
from rollout.client.transport import Address, read_address
from rollout.core.errors import RolloutError

log = logging.getLogger("rollout.client")

SILENT = 45.0  # seconds without even a heartbeat; then the connection counts as dead
LOOK_EVERY = 1.0  # seconds, while the service names no stream
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds between attempts
LONGEST_LINE = 64 * 1024


class Pusher:
    def __init__(self, refresher: Refresher, service: Address) -> None:
        self._refresher = refresher
        self._service = service
        self._stop = threading.Event()
        self._connection: http.client.HTTPConnection | None = None
        self._socket: socket.socket | None = None  # of the connection, which lets go of it once the answer begins
        self._last_id: str | None = None
        self._pause = FIRST_PAUSE

    def run(self) -> None:
        while not self._stop.is_set():
            url = self._refresher.stream_url
            if url is None:
                self._stop.wait(LOOK_EVERY)
                continue
            try:
                self._listen(url)
            except (OSError, ValueError, http.client.HTTPException, RolloutError) as error:
                log.debug("the stream broke: %s", error)
            self._ended()
            self._stop.wait(self._pause * random.uniform(0.5, 1.5))
            self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def stop(self) -> None:
        self._stop.set()
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)  # ends its waiting for the next line

    def _listen(self, url: str) -> None:
        """Until the stream ends. Raises when it cannot be had."""
        address = read_address(url)
        own = (address.scheme, address.host) == (self._service.scheme, self._service.host)
        headers = {**(self._service.headers() if own else address.headers()), "Accept": "text/event-stream"}
        if self._last_id:
            headers["Last-Event-ID"] = self._last_id
        self._connection = address.connection(SILENT)
        target = urlsplit(url)._replace(scheme="", netloc="", fragment="").geturl()
        self._connection.connect()
        self._socket = self._connection.sock
        if self._stop.is_set():
            return
        self._connection.request("GET", target or "/", headers=headers | {"Accept-Encoding": "identity"})
        with self._connection.getresponse() as response:
            if response.status != 200:
                raise OSError(f"the stream answered {response.status}")
            self._refresher.pushed, self._pause = True, FIRST_PAUSE
            self._refresher.wake.set()  # for what changed before we listened
            for _ in self._events(response):
                self._refresher.wake.set()

    def _events(self, response: http.client.HTTPResponse) -> Iterator[None]:
        """Once an event that has data, whatever it says. Fields as the HTML standard has them, section 9.2.6."""
        data = False
        while line := response.readline(LONGEST_LINE):
            field, _, value = line.decode(errors="replace").rstrip("\r\n").partition(":")
            value = value.removeprefix(" ")
            if not field and not value and data:
                yield
                data = False
            elif field == "data":
                data = True
            elif field == "id" and "\0" not in value and value.isprintable() and value.isascii():
                self._last_id = value
                if value.isdigit():
                    self._refresher.tell(int(value[:15]))
            elif field == "retry" and value.isascii() and value.isdigit():
                self._pause = min(max(int(value) / 1000, FIRST_PAUSE), LONGEST_PAUSE)

    def _ended(self) -> None:
        if self._refresher.pushed:
            self._refresher.pushed = False
            self._refresher.wake.set()  # from here on it is asked for at the usual pace again
        if self._connection is not None:
            with suppress(OSError):
                self._connection.close()
            self._connection = self._socket = None
