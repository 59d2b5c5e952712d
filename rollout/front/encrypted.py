"""TLS, as a socket that is used like any other one that does not wait: shaking hands is part of the first reads."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Callable
from typing import Any

WAIT = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


def encrypted(certificate: str, key: str) -> Callable[[socket.socket], socket.socket]:
    """Makes a client's socket one that speaks TLS 1.3. Both are PEM files. Raises OSError, ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.sslsocket_class = _Socket
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key)
    return lambda sock: context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)


class _Socket(ssl.SSLSocket):
    """A record of TLS has 16 KB at most and is read whole, so that none of it waits where no poll sees it."""

    _shaken = False

    def recv(self, buflen: int = 64 * 1024, flags: int = 0) -> bytes:
        try:
            if not self._shaken:
                self.do_handshake()
                self._shaken = True
            return super().recv(buflen, flags)
        except WAIT as error:
            raise BlockingIOError(errno.EWOULDBLOCK, "not yet") from error

    def send(self, data: Any, flags: int = 0) -> int:
        try:
            return super().send(data, flags)
        except WAIT as error:
            raise BlockingIOError(errno.EWOULDBLOCK, "not yet") from error
