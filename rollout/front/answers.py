"""Answers as bytes. All but the date is written once, since millions of requests get the same one."""

from __future__ import annotations

from email.utils import formatdate
from typing import Protocol


class Answer(Protocol):
    """What is sent back, in two parts, between which the date belongs."""

    @property
    def start(self) -> bytes:
        """The status line, and "Date: "."""

    @property
    def rest(self) -> bytes:
        """The other headers, beginning with the end of the date's line, and the body."""


class Date:
    """The time as HTTP writes it (RFC 9110, 5.6.7), made anew each second."""

    text = b""

    def __init__(self) -> None:
        self._second = 0

    def be(self, now: float) -> None:
        """`now`: seconds since 1970."""
        second = int(now)
        if second != self._second:
            self._second, self.text = second, formatdate(second, usegmt=True).encode()
