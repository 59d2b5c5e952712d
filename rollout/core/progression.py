"""What happens next to a rollout. `decide` says it, from nothing but its arguments; `operations` carries it out.

A stage bakes only while at least one server was ticking, so time comes in two readings: the store's clock, and how long
servers have been ticking in all. The second stands still through downtime.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

from rollout.core.flags import Flag
from rollout.core.plans import stages_done
from rollout.core.progress import Progress
from rollout.core.windows import Window, all_open_at


@dataclass(frozen=True, slots=True)
class Moment:
    at: datetime  # the store's clock
    ticked: timedelta = timedelta(0)  # how long servers have been ticking, up to now


class Verdict(StrEnum):
    """On the health of a rollout, from its guards."""

    HEALTHY = "healthy"
    BREACHED = "breached"
    TOO_LITTLE_DATA = "too little data"
    SOURCE_SILENT = "source silent"


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing happens. `until`: when the clock alone would change that."""

    why: str
    until: datetime | None = None
    for_approval: bool = False  # a person's word alone would change it


@dataclass(frozen=True, slots=True)
class Enter:
    """The stage with this index begins."""

    stage: int


Decision: TypeAlias = Hold | Enter


def decide(
    flag: Flag, progress: Progress, verdict: Verdict, moment: Moment, windows: Sequence[Window] = ()
) -> Decision:
    """The next thing to happen to a rollout, as far as its plan says."""
    stopped = _stopped(flag, progress)
    if stopped:
        return Hold(stopped)
    stages = flag.stages
    coming = stages_done(stages, progress.exposure)
    if coming == len(stages):
        return Hold("done")
    if coming > 0 and verdict is not Verdict.HEALTHY:
        return Hold(f"cannot judge health: {verdict}")
    left = bake_left(flag, progress, moment)
    if left > timedelta(0):
        return Hold("baking", until=moment.at + left)
    if stages[coming].approval:
        return Hold(f"waits for approval: rollout advance {flag.key}", for_approval=True)
    opening = all_open_at(windows, moment.at)
    if opening != moment.at:
        return Hold("waits for its window", until=opening)
    return Enter(coming)


def bake_left(flag: Flag, progress: Progress, moment: Moment) -> timedelta:
    """How much longer the stage that was entered last has to run. A rollout that has not begun bakes nothing."""
    done = stages_done(flag.stages, progress.exposure)
    if done == 0 or progress.baking_from is None:
        return timedelta(0)
    until = moment.ticked if progress.baking_to is None else progress.baking_to
    return max(flag.stages[done - 1].bake - (until - progress.baking_from), timedelta(0))


def with_bake(before: Progress, after: Progress, moment: Moment) -> Progress:
    """`after`, with its bake clock: begun anew where the exposure changed, stopped while halted or killed."""
    if after.exposure != before.exposure:
        after = replace(after, entered_at=moment.at, baking_from=moment.ticked, baking_to=None)
    stopped = bool(after.halted or after.killed)
    if stopped and after.baking_to is None:
        return replace(after, baking_to=moment.ticked)
    if not stopped and after.baking_to is not None and after.baking_from is not None:
        return replace(after, baking_from=after.baking_from + moment.ticked - after.baking_to, baking_to=None)
    return after


def _stopped(flag: Flag, progress: Progress) -> str | None:
    if progress.killed:
        return f"killed by {progress.killed.by}"
    if not flag.enabled:
        return "disabled in the file"
    if progress.halted:
        return f"halted by {progress.halted.by}"
    if flag.rollout is None:
        return "no rollout"
    return "locked in the file" if flag.locked else None
