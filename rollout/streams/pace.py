"""When very many clients come back at once, each of them asks for its flags as soon as it is told to: so they are told
one after the other, as fast as checks can bear. Few are told at once."""

from __future__ import annotations


class Pace:
    """Gives out turns, at most `rate` a second, in the order in which they are asked for."""

    def __init__(self, rate: float) -> None:
        self._gap = 1 / rate
        self._next = 0.0

    def wait(self, now: float) -> float:
        """Seconds from `now` until the next turn, which is then taken; 0 where nobody waits."""
        turn = max(now, self._next)
        self._next = turn + self._gap
        return turn - now
