"""Where a rollout stands, as the store remembers it: the other half of a flag, of which the file says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rollout.core.definitions import Definitions
from rollout.core.flags import Flag
from rollout.core.plans import Exposure

if TYPE_CHECKING:
    from rollout.core.keys import Key
    from rollout.core.pending import Pending


@dataclass(frozen=True, slots=True)
class Stop:
    """Who stopped it, when and why. Halted: nobody new gets it. Killed: off for everyone."""

    by: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Those whose `attribute` has this value do not have the flag until a person lifts it: a guard found that it fails
    for them. `value` is text, as outcomes report it."""

    attribute: str
    value: str
    guard: str
    stop: Stop


@dataclass(frozen=True, slots=True)
class Progress:
    exposure: Exposure = field(default_factory=dict)
    halted: Stop | None = None
    killed: Stop | None = None
    excluded: tuple[Exclusion, ...] = ()
    entered_at: datetime | None = None  # when the exposure changed last
    baking_from: timedelta | None = None  # since when that bakes, on the clock that runs while servers tick
    baking_to: timedelta | None = None  # where that clock stood when it was stopped; None while it bakes


@dataclass(frozen=True, slots=True)
class FlagRecord:
    """One flag, whole: what the file in force says of it and where it stands."""

    flag: Flag
    progress: Progress
    revision: int  # that changed it last
    in_file: bool = True  # False: no longer in the file, goes on as it was


@dataclass(frozen=True, slots=True)
class FileInForce:
    name: str
    digest: str
    text_digest: str  # of the text alone, under which it is kept
    lines_digest: str  # of the line numbers
    revision: int  # that brought it in force
    at: datetime


@dataclass(frozen=True, slots=True)
class State:
    """Everything at one revision. `definitions.flags` is empty: flags are in `records`."""

    revision: int = 0
    definitions: Definitions = field(default_factory=Definitions)
    records: Mapping[str, FlagRecord] = field(default_factory=dict)
    archived: frozenset[str] = frozenset()  # keys that can never be used again
    file: FileInForce | None = None
    earlier_files: tuple[str, ...] = ()  # digests that were in force before, oldest first
    keys: Mapping[str, Key] = field(default_factory=dict)  # by id; those that no longer work included
    pending: Mapping[str, Pending] = field(default_factory=dict)  # by id; what waits for a second person, oldest first
    ended: Mapping[str, datetime] = field(default_factory=dict)  # sessions that were logged out of: see core.sessions
