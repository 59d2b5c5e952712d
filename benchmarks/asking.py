"""Asking over HTTP with as little of the processor's time as Python allows, so that whoever measures does not take it
from those who are measured: one connection, the same bytes again and again.
"""

from __future__ import annotations

import re
import socket
from typing import Self

from machine import Contender

PATIENCE = 30.0  # seconds
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_REVISION = re.compile(rb'"revision": ?(\d+)')


def request(method: str, path: str, key: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {key}"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class Line:
    """A connection that is kept alive."""

    def __init__(self, one: Contender) -> None:
        host, _, port = one.url.removeprefix("http://").partition(":")
        self.socket = socket.create_connection((host, int(port)), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    @property
    def port(self) -> int:
        """Of this end."""
        return int(self.socket.getsockname()[1])

    def ask(self, request: bytes) -> bytes:
        """The answer's body. Raises RuntimeError for any other status than 200."""
        self.socket.sendall(request)
        answer = self._more(b"")
        while (end := answer.find(b"\r\n\r\n")) < 0:
            answer = self._more(answer)
        found = _LENGTH.search(answer, 0, end)
        size = end + 4 + int(found[1] if found else 0)
        while len(answer) < size:
            answer = self._more(answer)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer.decode(errors="replace"))
        return answer[end + 4 :]

    def _more(self, answer: bytes) -> bytes:
        received = self.socket.recv(65536)
        if not received:
            raise RuntimeError(f"the connection ended after {answer!r}")
        return answer + received


def revision_in(body: bytes) -> int:
    found = _REVISION.search(body)
    if found is None:
        raise RuntimeError(f"no revision in {body!r}")
    return int(found[1])
