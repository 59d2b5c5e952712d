"""The timetable that a plan would follow from now, by the same `decide` that moves it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from rollout.core.changes import advance, enter
from rollout.core.plans import stages_done
from rollout.core.progress import FlagRecord
from rollout.core.progression import Enter, Moment, Verdict, decide, with_bake
from rollout.core.windows import Window


@dataclass(frozen=True, slots=True)
class Event:
    """A stage begins, or, without a stage, the rollout stops moving, and why."""

    at: datetime
    stage: str | None
    note: str


def timetable(
    record: FlagRecord, moment: Moment, windows: Sequence[Window] = (), verdicts: Mapping[str, Verdict] | None = None
) -> Iterator[Event]:
    """What happens from `moment` on if servers tick all the time, approvals are given at once, and every guard is
    healthy but for the stages named in `verdicts`. Ends when the rollout is done, or would hold for ever."""
    while True:
        verdict = (verdicts or {}).get(_current(record), Verdict.HEALTHY)
        decision = decide(record.flag, record.progress, verdict, moment, windows)
        if isinstance(decision, Enter):
            yield Event(moment.at, record.flag.stages[decision.stage].name, _note(record, decision.stage))
            record = _entered(record, decision.stage, moment)
        elif decision.until is not None:
            moment = Moment(decision.until, moment.ticked + (decision.until - moment.at))
        elif decision.for_approval:
            stage = stages_done(record.flag.stages, record.progress.exposure)
            yield Event(moment.at, record.flag.stages[stage].name, _note(record, stage) + ", if it is approved at once")
            record = _approved(record, moment)
        else:
            yield Event(moment.at, None, decision.why)
            return


def _current(record: FlagRecord) -> str:
    done = stages_done(record.flag.stages, record.progress.exposure)
    return record.flag.stages[done - 1].name if done else ""


def _note(record: FlagRecord, stage: int) -> str:
    wanted = record.flag.stages[stage]
    return f"{wanted.share} of {wanted.audience}"


def _entered(record: FlagRecord, stage: int, moment: Moment) -> FlagRecord:
    return replace(record, progress=with_bake(record.progress, enter(record, stage), moment))


def _approved(record: FlagRecord, moment: Moment) -> FlagRecord:
    return replace(record, progress=with_bake(record.progress, advance(record), moment))
