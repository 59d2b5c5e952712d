"""Which sockets have something to do: epoll where there is one, and poll elsewhere, which says the same more slowly."""

from __future__ import annotations

import select
from typing import Protocol

READ, WRITE = select.POLLIN, select.POLLOUT  # epoll's are the same


class Poll(Protocol):
    def register(self, number: int, events: int, /) -> object: ...

    def modify(self, number: int, events: int, /) -> object: ...

    def unregister(self, number: int, /) -> object: ...

    def poll(self, seconds: float, /) -> list[tuple[int, int]]: ...


def poll() -> Poll:
    return select.epoll() if hasattr(select, "epoll") else _Portable()


class _Portable:
    def __init__(self) -> None:
        self._poll = select.poll()
        self.register, self.modify, self.unregister = self._poll.register, self._poll.modify, self._poll.unregister

    def poll(self, seconds: float) -> list[tuple[int, int]]:
        return self._poll.poll(seconds * 1000)
