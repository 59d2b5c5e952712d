"""After a fork: threads do not live on in a child process, and a connection must not be used by two. So each client
that is alive begins again in the child, with the ruleset that it had.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Forked(Protocol):
    def _renew(self) -> None: ...


_alive: WeakSet[Forked] = WeakSet()


def begin_again_in_children(client: Forked) -> None:
    _alive.add(client)


def no_longer(client: Forked) -> None:
    _alive.discard(client)


def _in_child() -> None:
    for client in tuple(_alive):
        client._renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
