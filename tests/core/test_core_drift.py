"""The five rules of who owns what: our transitions, step by step beside the reference model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import given

from rollout.core import changes
from rollout.core.changes import served
from rollout.core.errors import RefusedByRule
from rollout.core.plans import no_more_than
from rollout.core.progress import FlagRecord, Progress
from rollout.core.progression import Enter, Moment, Verdict, decide
from tests.core import drift_model as model
from tests.core.drift_steps import STOP, check_same, flag_of, histories, share_of
from tests.core.promises import promise


def load(record: FlagRecord | None, file: model.File, style: dict[str, Any]) -> FlagRecord:
    flag = flag_of(file, style)
    return FlagRecord(flag, changes.load_flag(record, flag), 1)


def tick(record: FlagRecord) -> Progress:
    baked = replace(record, progress=replace(record.progress, baking_from=None))
    decision = decide(baked.flag, baked.progress, Verdict.HEALTHY, Moment(STOP.at))
    return changes.enter(record, decision.stage) if isinstance(decision, Enter) else record.progress


def set_share(record: FlagRecord, audience: str, percent: int) -> Progress:
    return changes.set_share(record, audience, share_of(percent), STOP, beyond_plan=True)


STEPS: dict[Callable[..., model.Runtime], Callable[..., Progress]] = {
    model.set_share: set_share,
    model.tick: tick,
    model.halt: lambda record: changes.halt(record, STOP),
    model.resume: changes.resume,
    model.kill: lambda record: changes.kill(record, STOP),
    model.revive: lambda record: changes.revive(record, STOP),
}


@promise(250)
@given(histories)
def test_a_flag_moves_as_the_model_says(history: list[Any]) -> None:
    state, record = model.Runtime(), None
    for step, *arguments in history:
        before, had = record, served(record)
        if step is model.load:
            file, style = arguments
            state, record = model.load(file, state), load(record, file, style)
            assert no_more_than(served(record), had)
            assert load(record, file, style) == record
        elif record is not None:
            try:
                record = replace(record, progress=STEPS[step](record, *arguments))
            except RefusedByRule:
                check_may_be_refused(step, state, arguments)
                continue
            state = step(state, *arguments)
        if record is not None:
            check_same(record.progress, state)
            shares = {audience: share.percent for audience, share in served(record).items()}
            assert shares == model.served(state)
        if step in (model.halt, model.resume):
            assert served(record) == served(before)


def check_may_be_refused(step: object, state: model.Runtime, arguments: list[Any]) -> None:
    """What the model lets pass without an effect, and we refuse: there is nothing to lift, or no such place to go."""
    if step is model.set_share:
        assert arguments[0] not in model.ceiling(state.applied)
    elif step is model.resume:
        assert state.killed or not state.halted
    else:
        assert step is model.revive
        assert not state.killed
