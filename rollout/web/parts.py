"""What the web is put around: the parts that the bootstrap made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from rollout.core.evaluation import Answer
from rollout.service.desk import Desk
from rollout.service.follower import Follower
from rollout.service.gate import Gate
from rollout.service.identity import Provider
from rollout.service.loads import Intake as LargeFiles
from rollout.service.measures import Counters
from rollout.service.outcomes import Intake
from rollout.service.publishing import Publisher
from rollout.service.sessions import SessionDesk
from rollout.web.signed_context import ContextKeys

Served: TypeAlias = Callable[[Sequence[Answer], object], None]
"""Told of each check of all flags: the answers, and the targeting key."""


def nobody_counts(answers: Sequence[Answer], subject: object) -> None:
    """Where there is no store that people are counted in."""


ServedOne: TypeAlias = Callable[[Answer, object], None]
"""The same of each check of one flag."""


def nobody_counts_one(answer: Answer, subject: object) -> None:
    """The same, for that."""


Reported: TypeAlias = Callable[[str, Sequence[str]], None]
"""Told of whom others served a flag: its key, and their targeting keys."""


def nobody_is_reported(flag: str, people: Sequence[str]) -> None:
    """The same, for those."""


ReportedDraws: TypeAlias = Callable[[str, str, Mapping[str, Sequence[str]]], None]
"""Told of the people whom others drew: the flag's key, the draw's name, and targeting keys by side."""


def no_draws_are_reported(flag: str, name: str, sides: Mapping[str, Sequence[str]]) -> None:
    """The same, for those."""


FileReport: TypeAlias = Callable[[], Mapping[str, Any] | None]
"""What this server knows of its own flags file (its `state`, `problems` ...); None where it has none."""


@dataclass(frozen=True)
class Parts:
    follower: Follower
    desk: Desk
    counters: Counters
    outcomes: Intake
    file_report: FileReport
    hosts: frozenset[str] = frozenset()  # names by which operators reach us, besides addresses and names without a dot
    record_report: FileReport = lambda: None  # how this server's copy of the audit stands
    unconfirmed: Callable[[], int] = int  # how many servers were not heard of lately
    served: Served = nobody_counts  # whom a check gave what, for the counts of the day
    served_one: ServedOne = nobody_counts_one
    reported: Reported = nobody_is_reported  # whom programs that evaluate by themselves served a flag
    drawn: ReportedDraws = no_draws_are_reported  # whom they drew
    stream: Callable[[], str | None] = lambda: None  # where /v1/stream is, as a base URL; None while it is nowhere
    publisher: Publisher | None = None  # one that somebody prepares; else what clients fetch is made when asked for
    gate: Gate | None = None  # None: one that is open to everybody while there are no keys
    origins: frozenset[str] = frozenset()  # of web pages that may ask for checks
    contexts: ContextKeys | None = None  # by which signed contexts are verified; None: there are none
    fast: bool = True  # the usual checks are answered in front of Flask
    sessions: SessionDesk | None = None  # ends those that are logged out of; None: in the browser alone
    provider: Provider | None = None  # the company's own log-in; None: people log in by key alone
    large_files: LargeFiles | None = None  # takes in those that are too large for one request; None: refuses them
    tells_machines: bool = True  # /metrics and the details of /readyz; False: they are on another port
    console_secret: bytes | None = None  # signs the console's forms, in all workers alike; None: each its own
