"""Waiting for a request's body. A worker has one thread for all requests, and granian lets it wait for a body for ever:
a client that vanishes in the middle of a request would hold up every check of this worker. So a worker that waits too
long ends, and another takes its place at once.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

PATIENCE = 2.0  # seconds; inside a network a body takes milliseconds
LOOK_EVERY = 0.25  # seconds


class Input(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


def end_now() -> None:
    """Without a clean-up, which would wait for the very request that does not end."""
    log.error("a client sent half a request and no more, which held up all others: this worker is replaced")
    os._exit(1)


class BodyWatch:
    """WSGI middleware around an application whose requests are all answered by one thread; another calls `look`."""

    def __init__(self, application: WSGIApplication, give_up: Callable[[], None] = end_now) -> None:
        self._application = application
        self._give_up = give_up
        self._waiting_since: float | None = None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if "CONTENT_LENGTH" in environ or "HTTP_TRANSFER_ENCODING" in environ:
            environ["wsgi.input"] = _Watched(environ["wsgi.input"], self)
        return self._application(environ, start_response)

    def look(self) -> None:
        since = self._waiting_since
        if since is not None and time.monotonic() - since > PATIENCE:
            self._give_up()

    def read(self, body: Input, size: int) -> bytes:
        self._waiting_since = time.monotonic()
        try:
            return body.read(size)
        finally:
            self._waiting_since = None


class _Watched:
    """As much of a stream as is used."""

    def __init__(self, body: Input, watch: BodyWatch) -> None:
        self._body = body
        self._watch = watch

    def read(self, size: int = -1, /) -> bytes:
        return self._watch.read(self._body, size)
