"""Listening. The system's own buffers are bounded here as well, or it would keep megabytes for a client that does not
read, and a quarter of an hour for one that vanished."""

from __future__ import annotations

import asyncio
import socket
import ssl

from rollout.streams.connection import Connection, House

WAITING = 4096
"""Connections that wait to be let in; where thousands come back at once, none of them shall be turned away."""

BUFFER = 8 * 1024  # bytes that the system keeps for one client, which it doubles; some hundred events
UNHEARD = 30_000  # milliseconds in which a client's system confirms what was sent, or is taken for gone


async def open_server(house: House, host: str, port: int, certificate: ssl.SSLContext | None = None) -> asyncio.Server:
    """Listens from now on, by TLS where there is a certificate. Raises OSError where it cannot."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: Connection(house),
        sock=_listener(host, port),
        backlog=WAITING,
        ssl=certificate,
        ssl_handshake_timeout=house.asked_within if certificate else None,
    )


def _listener(host: str, port: int) -> socket.socket:
    """What is set here, the connections inherit."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNHEARD)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener
