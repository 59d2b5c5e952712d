"""What keeps a rollout from going far by itself or unwatched, and what of that a change takes away: a lock, a guard, an
approval, a stage on the way, its bake, a window.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

from rollout.core.containment import Containment
from rollout.core.definitions import Definitions
from rollout.core.flags import Flag
from rollout.core.guards import Guard, GuardAction
from rollout.core.plans import Rollout, Stage, ceiling, no_more_than
from rollout.core.progress import FlagRecord
from rollout.core.shares import EVERYBODY, NOBODY, Share

_STRENGTH = (GuardAction.WARN, GuardAction.HALT, GuardAction.ROLLBACK, GuardAction.KILL)
"""To exclude some is neither more nor less than to stop all: it compares with nothing but itself."""


def lost_protections(before: FlagRecord, after: FlagRecord, known: Containment) -> Iterator[tuple[str, Share]]:
    """What is lost, and how far the flag goes without it: what it has, or what its plan ends with."""
    far = max([NOBODY, *after.progress.exposure.values(), *ceiling(after.flag.stages).values()])
    if before.flag.locked and not after.flag.locked:
        yield "it is unlocked", EVERYBODY if after.flag.rules else far
    yield from ((what, far) for what in _unguarded(before.flag, after.flag, known))
    was, now = before.flag.rollout, after.flag.rollout
    if was and now:
        yield from ((what, far) for what in _hurried(was.stages, now.stages))
        yield from ((what, far) for what in _unwindowed(was, now, known))


def _unguarded(before: Flag, after: Flag, known: Containment) -> Iterator[str]:
    starts = _watching(after)
    for name, start in _watching(before).items():
        if name not in starts:
            yield f"guard {name} no longer watches it"
        elif not no_more_than(ceiling(after.stages[: starts[name]]), ceiling(before.stages[:start])):
            yield f"guard {name} begins to watch it later"
        elif not _as_strict(known.inner, known.outer, name):
            yield f"guard {name} is looser, or another"


def _watching(flag: Flag) -> dict[str, int]:
    """Guard -> how many stages are over when it begins to watch."""
    if flag.rollout is None:
        return {}
    starts = dict.fromkeys(flag.rollout.guards, 0)
    for index, stage in enumerate(flag.rollout.stages):
        for name in stage.guards:
            starts.setdefault(name, index)
    return starts


def _as_strict(now: Definitions, before: Definitions, name: str) -> bool:
    guard, was = now.guards.get(name), before.guards.get(name)
    if guard is None or was is None:
        return guard is was
    return _question(guard) == _question(was) and _bound_no_looser(guard, was) and _no_weaker(guard, was)


def _question(guard: Guard) -> Guard:
    """The guard without what can be told to be stricter or looser, and without words."""
    return replace(
        guard,
        description="",
        action=GuardAction.WARN,
        max_failures=None if guard.max_failures is None else NOBODY,
        max_ratio=None if guard.max_ratio is None else Fraction(0),
        no_data=timedelta(0),
    )


def _bound_no_looser(guard: Guard, was: Guard) -> bool:
    if guard.max_failures is not None and was.max_failures is not None and guard.max_failures > was.max_failures:
        return False
    if guard.max_ratio is not None and was.max_ratio is not None and guard.max_ratio > was.max_ratio:
        return False
    return guard.no_data <= was.no_data


def _no_weaker(guard: Guard, was: Guard) -> bool:
    if guard.action is was.action:
        return True
    if GuardAction.EXCLUDE in (guard.action, was.action):
        return False
    return _STRENGTH.index(guard.action) > _STRENGTH.index(was.action)


def _hurried(before: Sequence[Stage], after: Sequence[Stage]) -> Iterator[str]:
    """The stages that were on the way, as far as it still goes, are on it in their order, and let no one through
    sooner."""
    top = ceiling(after)
    coming = iter(after)
    for stage in before:
        if stage.share > top.get(stage.audience, NOBODY):
            continue
        same = next((one for one in coming if (one.audience, one.share) == (stage.audience, stage.share)), None)
        if same is None:
            yield f"stage {stage.name} is no longer on the way"
            return
        if stage.approval and not same.approval:
            yield f"stage {stage.name} begins without approval"
        if same.bake < stage.bake:
            yield f"stage {stage.name} bakes shorter"


def _unwindowed(before: Rollout, after: Rollout, known: Containment) -> Iterator[str]:
    for name in before.windows:
        now, was = known.inner.windows.get(name), known.outer.windows.get(name)
        if name not in after.windows:
            yield f"it no longer keeps to window {name}"
        elif now != was and (now is None or was is None or replace(now, description=was.description) != was):
            yield f"window {name} is another"
