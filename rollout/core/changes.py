"""What a change makes of a flag: pure transitions of `Progress`, and who gains and who loses by them.

The file is the path, the progress is the position on it. Five rules: loading a file never raises anyone's exposure and
never lifts a halt or a kill; what is unrelated changes nothing; lowering works at once; a flag that is missing from
the file goes on as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from rollout.core.errors import InvalidInput, RefusedByRule
from rollout.core.flags import Flag
from rollout.core.guards import Guard, GuardAction
from rollout.core.plans import Exposure, ceiling, no_more_than, stages_done
from rollout.core.progress import Exclusion, FlagRecord, Progress, Stop
from rollout.core.shares import EVERYBODY, NOBODY, Share

BEFORE_THE_FIRST = ("0%", "0")


@dataclass(frozen=True, slots=True)
class Move:
    """What happens to one audience."""

    audience: str
    before: Share
    after: Share


def served(record: FlagRecord | None) -> Exposure:
    """Who has the flag by its rollout now: nobody while it is killed or switched off in the file."""
    if record is None or record.progress.killed or not record.flag.enabled:
        return {}
    return record.progress.exposure


def moves(before: Exposure, after: Exposure) -> tuple[Move, ...]:
    """The audiences whose share differs, in the order in which they are first named."""
    audiences = dict.fromkeys([*before, *after])
    shares = ((audience, before.get(audience, NOBODY), after.get(audience, NOBODY)) for audience in audiences)
    return tuple(Move(audience, was, now) for audience, was, now in shares if was != now)


def set_share(record: FlagRecord, audience: str, share: Share, stop: Stop, *, beyond_plan: bool = False) -> Progress:
    """To this share of the audience, and hold there.

    Raising also admits what the plan has before that point, such as the employees; lowering takes away only what is
    above it. Raises RefusedByRule for a flag without a rollout, a locked one, and a share beyond the plan.
    """
    flag, progress = record.flag, record.progress
    before = progress.exposure.get(audience, NOBODY)
    _check_settable(flag, audience, share, before, beyond_plan)
    exposure = {**progress.exposure, audience: share}
    if share > before:
        for stage in flag.stages:
            if stage.audience == audience and stage.share >= share:
                break
            if stage.audience != audience:
                exposure[stage.audience] = max(exposure.get(stage.audience, NOBODY), stage.share)
    exposure = {name: live for name, live in exposure.items() if live > NOBODY}
    return replace(progress, exposure=exposure, halted=stop)


def _check_settable(flag: Flag, audience: str, share: Share, before: Share, beyond_plan: bool) -> None:
    top = ceiling(flag.stages)
    if not flag.rollout and before >= top.get(audience, NOBODY):
        raise RefusedByRule(f"{flag.key} has no rollout to set", "give it `rollout:` in the file, or `rollout kill` it")
    if audience not in top and share >= before:
        raise RefusedByRule(f"the plan of {flag.key} does not speak of {audience}", f"it speaks of {', '.join(top)}")
    if share <= before:
        return
    if flag.locked:
        raise _locked(flag)
    if share > top[audience] and not beyond_plan:
        raise RefusedByRule(
            f"{share} is beyond the plan of {flag.key}, which ends at {top[audience]} of {audience}",
            "add a stage to the file, or say --beyond-plan",
        )


def kill(record: FlagRecord, stop: Stop) -> Progress:
    """Off for everyone. A flag that is killed already keeps who did it first."""
    return replace(record.progress, killed=record.progress.killed or stop)


def revive(record: FlagRecord, stop: Stop) -> Progress:
    """Lifts a kill; stays halted until it is resumed. Raises RefusedByRule when there is nothing to lift, or when the
    flag is locked and somebody would get it back."""
    if record.progress.killed is None:
        raise RefusedByRule(f"{record.flag.key} is not killed", "there is nothing to revive")
    after = replace(record.progress, killed=None, halted=record.progress.halted or stop)
    if record.flag.locked and (record.flag.rules or served(replace(record, progress=after))):
        raise _locked(record.flag)
    return after


def halt(record: FlagRecord, stop: Stop) -> Progress:
    """Stops moving; those who have it keep it. A halted flag keeps who did it first. Raises RefusedByRule for a flag
    without a rollout."""
    _check_rollout(record.flag, "halt")
    return replace(record.progress, halted=record.progress.halted or stop)


def exclude(record: FlagRecord, attribute: str, value: str, guard: str, stop: Stop) -> Progress:
    """Takes the flag from those whose attribute has this value: a guard's step. Who is excluded already stays so."""
    excluded = record.progress.excluded
    if any((one.attribute, one.value, one.guard) == (attribute, value, guard) for one in excluded):
        return record.progress
    return replace(record.progress, excluded=(*excluded, Exclusion(attribute, value, guard, stop)))


def guarded(record: FlagRecord, guard: Guard, value: str | None, stop: Stop) -> Progress:
    """What a guard's action does to a flag, where `value` (of `guard.by`) or, without it, everybody is out of bounds. A
    rollback takes back one stage, and holds where there is none to take back."""
    progress = record.progress
    match guard.action:
        case GuardAction.WARN:
            return progress
        case GuardAction.HALT:
            return replace(progress, halted=progress.halted or stop)
        case GuardAction.EXCLUDE:
            return exclude(record, guard.by or "", value or "", guard.name, stop)
        case GuardAction.ROLLBACK:
            return rollback(record, stop) if progress.exposure else replace(progress, halted=progress.halted or stop)
        case GuardAction.KILL:
            return kill(record, stop)


def readmit(record: FlagRecord, value: str) -> Progress:
    """Lifts every exclusion of this value, whether or not the rollout moves. Raises RefusedByRule when there is none,
    or when the flag is locked."""
    excluded = record.progress.excluded
    kept = tuple(one for one in excluded if one.value != value)
    if kept == excluded:
        names = ", ".join(dict.fromkeys(one.value for one in excluded))
        raise RefusedByRule(
            f"no guard excludes {value!r} from {record.flag.key}", f"excluded are {names}" if names else "nobody is"
        )
    if record.flag.locked:
        raise _locked(record.flag)
    return replace(record.progress, excluded=kept)


def resume(record: FlagRecord) -> Progress:
    """Moves again. Raises RefusedByRule for a flag that is not halted, or that is killed."""
    _check_rollout(record.flag, "resume")
    if record.progress.killed:
        raise RefusedByRule(f"{record.flag.key} is killed", f"`rollout revive {record.flag.key}` first")
    if record.progress.halted is None:
        raise RefusedByRule(f"{record.flag.key} is not halted", "there is nothing to resume")
    return replace(record.progress, halted=None)


def advance(record: FlagRecord, to: str | None = None) -> Progress:
    """To the next stage, or to the stage called `to` and all before it, whether or not they have baked; this is also
    how a person approves a stage. Raises RefusedByRule when it is stopped, locked, done, or already there."""
    flag, progress = record.flag, record.progress
    _check_rollout(flag, "advance")
    if progress.killed or progress.halted:
        verb = "revive" if progress.killed else "resume"
        raise RefusedByRule(
            f"{flag.key} is {'killed' if progress.killed else 'halted'}", f"`rollout {verb} {flag.key}` first"
        )
    if flag.locked:
        raise _locked(flag)
    done = stages_done(flag.stages, progress.exposure)
    if done == len(flag.stages):
        raise RefusedByRule(f"{flag.key} is at the end of its plan")
    index = done if to is None else _stage_index(flag, to)
    if index < done:
        raise RefusedByRule(f"{flag.key} has passed stage {to}", f"`rollout rollback {flag.key} --to {to}` goes back")
    return replace(progress, exposure=_raised(progress.exposure, ceiling(flag.stages[: index + 1])))


def rollback(record: FlagRecord, stop: Stop, to: str | None = None) -> Progress:
    """To the stage before, or to the one called `to` ("0%": before the first), and holds there; those added since lose
    it. Raises RefusedByRule for a flag without a rollout, or one that has nothing to take back."""
    flag, progress = record.flag, record.progress
    _check_rollout(flag, "roll back")
    if not progress.exposure:
        raise RefusedByRule(f"{flag.key} has nothing to take back: nobody has it by its rollout")
    done = stages_done(flag.stages, progress.exposure)
    if to is None:
        between = not no_more_than(progress.exposure, ceiling(flag.stages[:done]))
        kept = done if between else done - 1
    else:
        kept = 0 if to in BEFORE_THE_FIRST else _stage_index(flag, to) + 1
    exposure = _lowered(progress.exposure, ceiling(flag.stages[:kept]))
    if exposure == progress.exposure:
        raise RefusedByRule(
            f"{flag.key} is not beyond stage {to}", f"`rollout advance {flag.key} --to {to}` goes there"
        )
    return replace(progress, exposure=exposure, halted=stop)


def enter(record: FlagRecord, stage: int) -> Progress:
    """The stage with this index begins: the controller's step."""
    wanted = record.flag.stages[stage]
    return replace(record.progress, exposure={**record.progress.exposure, wanted.audience: wanted.share})


def _raised(exposure: Exposure, by: Exposure) -> Exposure:
    return {**exposure, **{audience: max(share, exposure.get(audience, NOBODY)) for audience, share in by.items()}}


def _lowered(exposure: Exposure, top: Exposure) -> Exposure:
    return {audience: min(share, top[audience]) for audience, share in exposure.items() if audience in top}


def _stage_index(flag: Flag, name: str) -> int:
    names = [stage.name for stage in flag.stages]
    if name not in names:
        raise InvalidInput(f"{flag.key} has no stage called {name!r}", f"its stages are {', '.join(names)}")
    return names.index(name)


def _check_rollout(flag: Flag, verb: str) -> None:
    if not flag.rollout:
        raise RefusedByRule(f"{flag.key} has no rollout to {verb}", f"`rollout kill {flag.key}` turns it off")


def _locked(flag: Flag) -> RefusedByRule:
    return RefusedByRule(f"{flag.key} is locked: nothing may raise it", "take `locked: true` out of the file first")


def load_flag(before: FlagRecord | None, flag: Flag) -> Progress:
    """Where a flag stands after a new version of the file says `flag`."""
    if before is None:
        return Progress(exposure=_start(flag))
    progress = before.progress
    if flag.enabled and not before.flag.enabled:
        return replace(progress, exposure=_start(flag))  # switched on: a new run, from nothing
    if _path(before.flag) == _path(flag) and _same_buckets(before.flag, flag):
        return progress
    if _owned_by_file(before.flag) and _owned_by_file(flag) and not flag.locked and _complete(before):
        return replace(progress, exposure=_start(flag))
    top = ceiling(flag.stages)  # the plan is a ceiling
    kept = progress.exposure if _same_buckets(before.flag, flag) else _whole(progress.exposure)
    return replace(progress, exposure=_lowered(kept, top))


def _start(flag: Flag) -> Exposure:
    """A rollout begins with nobody. Without one there is no position, and the file alone says who."""
    if not _owned_by_file(flag) or flag.locked or not flag.enabled:
        return {}
    return ceiling(flag.stages)


def _owned_by_file(flag: Flag) -> bool:
    return flag.rollout is None


def _path(flag: Flag) -> tuple[tuple[str, Share], ...]:
    """How far each stage goes. How long it bakes, what guards it and what it is called moves nobody."""
    return tuple((stage.audience, stage.share) for stage in flag.stages)


def _complete(record: FlagRecord) -> bool:
    """Nothing is held back, as it is where a rollout was taken out of the file half-way."""
    return stages_done(record.flag.stages, record.progress.exposure) == len(record.flag.stages)


def _same_buckets(before: Flag, after: Flag) -> bool:
    return (before.salt, before.bucket_by) == (after.salt, after.bucket_by)


def _whole(exposure: Exposure) -> Exposure:
    """Another salt draws another cohort, so a part of an audience cannot be kept: some would gain the flag by it."""
    return {audience: share for audience, share in exposure.items() if share == EVERYBODY}
