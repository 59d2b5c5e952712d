"""Moves rollouts along their plans. Every server ticks, each second; each judges what was reported back, looks at what
it serves, and tries to carry out what `decide` says. The revision that it was decided on makes exactly one of them
succeed. There is no leader.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

from rollout.core.audit import Actor
from rollout.core.durations import format_duration
from rollout.core.errors import RefusedByRule, RevisionConflict, UnknownFlag
from rollout.core.flags import Flag
from rollout.core.plans import stages_done
from rollout.core.progress import FlagRecord, State
from rollout.core.progression import Decision, Enter, Hold, Moment, decide
from rollout.core.windows import Window
from rollout.service.answers import Answer
from rollout.service.follower import Follower
from rollout.service.guarding import Judge, Watched, Watches, verdict
from rollout.service.operations import EPOCH, Operations, Request
from rollout.service.ports import FlagStore

TICK_EVERY = 1.0  # seconds
MOST_STEPS = 50
"""In one tick, so that thousands of flags that begin at once do not hold up what people change meanwhile."""


class Controller:
    def __init__(self, store: FlagStore, operations: Operations, follower: Follower, server: str) -> None:
        """`server` names this server in the audit."""
        self.store = store
        self.operations = operations
        self.follower = follower
        self.server = server
        self.judge = Judge(store, operations, Watches(store), server)

    def tick(self) -> list[Answer]:
        """Says that this server is there, and takes every step that is due. A server that cannot follow the store does
        neither: it does not know where things stand. Raises StoreUnavailable."""
        if self.follower.trouble is not None:
            return []
        ticked = self.store.tick()
        moment = Moment(EPOCH + timedelta(milliseconds=ticked.now_ms), timedelta(milliseconds=ticked.ticked_ms))
        state = self.follower.current.state
        stopped = self.judge.judge(state, moment)
        return [*stopped, *self._steps(state, moment, self.judge.watches.known)]

    def _steps(self, state: State, moment: Moment, watches: Mapping[str, Watched]) -> Iterator[Answer]:
        steps = 0
        for record in state.records.values():
            if steps == MOST_STEPS:
                return
            decision = next_step(record, state, moment, watches.get(record.flag.key))
            if isinstance(decision, Enter):
                steps += 1
                answer = self._enter(record, decision.stage)
                if answer and answer["changed"]:
                    yield answer

    def _enter(self, record: FlagRecord, stage: int) -> Answer | None:
        key = record.flag.key
        request = Request(
            actor=Actor("controller", "controller", self.server, "rollout serve"),
            reason=_reason(record.flag, stage),
            seen_revision=record.revision,
            request_id=f"enter:{key}:{stage}:{record.revision}",
        )
        try:
            return self.operations.enter(key, stage, request)
        except (RevisionConflict, UnknownFlag):
            return None  # somebody moved it meanwhile; the next tick sees what came of that
        except RefusedByRule:
            return None  # the store lost part of the record: a person must look first


def next_step(record: FlagRecord, state: State, moment: Moment, watched: Watched | None) -> Decision:
    """What the plan says is next for a flag as it stands, its guards having seen what they have."""
    if not _may_move(record):
        return Hold("nothing to do")
    missing = [key for key in record.flag.requires if not _alive(state.records.get(key))]
    if missing:  # nobody has this one either, so there is nothing that a bake could show
        return Hold(f"requires {missing[0]}, which is off for everyone")
    named = record.flag.rollout.windows if record.flag.rollout else ()
    undefined = [name for name in named if name not in state.definitions.windows]
    if undefined:  # a flag that cannot be judged waits alone
        return Hold(f"no window is called {undefined[0]}")
    health = verdict(record, state, watched, moment)
    return decide(record.flag, record.progress, health, moment, windows_of(record.flag, state))


def _may_move(record: FlagRecord) -> bool:
    """Most flags, most of the time, may not: they are done, or have no stages."""
    return stages_done(record.flag.stages, record.progress.exposure) < len(record.flag.stages)


def _alive(record: FlagRecord | None) -> bool:
    return record is not None and record.flag.enabled and record.progress.killed is None


def windows_of(flag: Flag, state: State) -> tuple[Window, ...]:
    names = flag.rollout.windows if flag.rollout else ()
    return tuple(state.definitions.windows[name] for name in names)


def _reason(flag: Flag, stage: int) -> str:
    wanted = flag.stages[stage]
    if stage == 0:
        return f"stage {wanted.name} begins the plan"
    before = flag.stages[stage - 1]
    return f"stage {wanted.name}, after {before.name} baked for {format_duration(before.bake)}"
