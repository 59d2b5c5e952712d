"""What a server counts about itself, as those who count see it. How the numbers leave the process is `telemetry`'s."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Protocol

from rollout.core.evaluation import Answer, ErrorCode


@dataclass(frozen=True, slots=True)
class Readings:
    """What is measured rather than counted."""

    revision: int = 0
    stale: bool = False
    file_problems: int = 0
    servers_unconfirmed: int = 0
    outcomes_buffered: int = 0
    record_trouble: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """Checks of one flag: all, those that lacked the targeting key, those that a share decided, those that it admitted,
    and those that were on without it."""

    checks: int = 0
    keyless: int = 0
    audience: int = 0
    inside: int = 0
    otherwise: int = 0

    def plus(self, other: Asked, times: int = 1) -> Asked:
        return Asked(
            self.checks + times * other.checks,
            self.keyless + times * other.keyless,
            self.audience + times * other.audience,
            self.inside + times * other.inside,
            self.otherwise + times * other.otherwise,
        )

    def since(self, before: Asked) -> Asked:
        return self.plus(before, -1)

    def and_(self, answer: Answer, count: int) -> Asked:
        one = Asked(
            1,
            answer.error_code is ErrorCode.TARGETING_KEY_MISSING,
            answer.drawn is not None,
            answer.drawn is True,
            answer.on and answer.drawn is None,
        )
        return self.plus(one, count)

    def as_counts(self) -> dict[str, int]:
        return asdict(self)


class Counters(Protocol):
    """Counting costs no more than a dict increment. No word that a caller chose becomes a label."""

    def checked(self, answer: Answer) -> None:
        """Somebody was given this answer."""

    def all_checked(self, answers: Iterable[Answer]) -> None:
        """Somebody was given all of these."""

    def attributes_ignored(self, count: int) -> None:
        """A context had attributes that nobody declared."""

    def unknown_flag_checked(self) -> None: ...

    def request_refused(self) -> None:
        """A request was not understood: bad input, a wrong method, too large."""

    def responded(self, call: str, status: int) -> None:
        """`call` is one of our own names for what can be called."""

    def change_asked(self, action: str, outcome: str) -> None:
        """`outcome`: changed, unchanged, dry run, or an error's code."""

    def outcomes_taken(self, accepted: int, refused: int) -> None:
        """A batch of outcomes was answered."""

    def outcomes_repeated(self, count: int) -> None:
        """So many of the outcomes that were accepted were not counted: their intents had been. Called by the thread
        that hands outcomes to the store."""

    def watch(self, readings: Callable[[], Readings]) -> None:
        """Where readings come from; read at each flush."""

    def scrape(self) -> tuple[bytes, str]:
        """Everything counted by all workers of this server, for Prometheus, and its content type."""
