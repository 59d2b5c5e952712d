"""One client's connection: what came and is not yet a whole request, and what the client has not taken yet. Nothing
waits here; all sockets are non-blocking."""

from __future__ import annotations

import socket
from typing import Any

MOST_AT_ONCE = 16 * 1024  # bytes that are read in one go: a whole record of TLS, and no more room than is needed


class Connection:
    """`address` is the client's."""

    __slots__ = ("address", "at", "is_over", "socket", "unread", "unsent")

    def __init__(self, sock: socket.socket, address: Any, now: float) -> None:
        self.socket = sock
        self.address = address
        self.at = now  # when something last came or went, in seconds
        self.is_over = False  # what was asked last is the last
        self.unread = b""
        self.unsent = b""

    def receive(self) -> bytes | None:
        """What came; nothing when the client is gone, None when there is nothing yet. Raises OSError."""
        try:
            return self.socket.recv(MOST_AT_ONCE)
        except BlockingIOError:
            return None

    def send(self, data: bytes) -> None:
        """What the client does not take now is kept in `unsent`. Raises OSError."""
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            sent = 0
        self.unsent = data[sent:] if sent < len(data) else b""

    def close(self) -> None:
        self.socket.close()
