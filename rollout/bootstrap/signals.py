"""Ctrl-C, SIGTERM and a closed terminal, as something to wait for. While the service starts they interrupt it; once it
runs they are handed over one by one, so that a second one can hurry the first.
"""

from __future__ import annotations

import signal
from queue import SimpleQueue
from types import FrameType
from typing import Self

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """Told to stop before everything ran."""


class Signals:
    """A closed terminal is ignored where that was asked for (`nohup`). SIGINT never is, although shells start what runs
    in the background of a script with it ignored: whoever sends it to a service wants that to stop."""

    def __init__(self) -> None:
        self._told: SimpleQueue[str] = (
            SimpleQueue()
        )  # its put may interrupt anything, also itself; an Event's set may not
        self._interrupting = True
        self._before = {number: signal.getsignal(number) for number in STOPPING}

    def __enter__(self) -> Self:
        for number, before in self._before.items():
            if number != signal.SIGHUP or before is not signal.SIG_IGN:
                signal.signal(number, self._received)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def wait(self) -> str:
        """Why to stop: a signal's name, or what `tell` was given."""
        self._interrupting = False
        return self._told.get()

    def tell(self, why: str) -> None:
        self._told.put(why)

    def again(self) -> bool:
        """Whether another one came since `wait` returned."""
        return not self._told.empty()

    def _received(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._told.put(signal.Signals(number).name)
        if self._interrupting:
            self._interrupting = False
            raise Interrupted
