"""The sockets of a worker. One thread answers what nearly everybody asks, in the nearly only form in which it is asked;
every other request, and whatever is odd, goes on to a complete HTTP server beside it, and its connection comes back
afterwards. Nothing here knows what a flag is.

    requests      Requests              a request that is written as usual, from bytes; nothing else
    answers       Answer, Date          an answer as bytes
    connection    Connection            one client: what came, what is still to be sent
    encrypted     encrypted             its socket, where it speaks TLS
    polling       poll                  which of them have something to do
    loop          Front                 all clients of a worker
    others        Others                the HTTP server (waitress) for everything else
"""

from __future__ import annotations

from rollout.front.answers import Answer
from rollout.front.encrypted import encrypted
from rollout.front.loop import Front
from rollout.front.others import Others

__all__ = ["Answer", "Front", "Others", "encrypted"]
