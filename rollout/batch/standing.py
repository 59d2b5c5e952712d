"""States as they would be: the same flags, with a rollout somewhere else on its path. Nothing is written anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from rollout.batch.cohorts import Cohort, compile_cohort
from rollout.core.definitions import FlagFile
from rollout.core.errors import InvalidInput, UnknownFlag
from rollout.core.flags import Flag
from rollout.core.loading import load_file
from rollout.core.plans import Exposure
from rollout.core.progress import FlagRecord, State
from rollout.core.progression import Moment
from rollout.core.ruleset import ruleset_in_force
from rollout.core.segments import EVERYONE
from rollout.core.shares import NOBODY, Share

_ANY = Moment(datetime(1970, 1, 1, tzinfo=UTC))
"""When a state begins says nothing of who has what."""


def state_of(file: FlagFile) -> State:
    """The state that a file makes where there was none: no rollout has begun."""
    return load_file(State(), file, 1, _ANY).after


def cohort_at(state: State, flag: str, members: Mapping[str, bytes], share: Share | None = None) -> Cohort:
    """The flag as it stands, or, with a share, as if its rollout stood there. `members`: as `compile_cohort` has them.
    Raises UnknownFlag, InvalidInput."""
    record = record_of(state, flag)
    if share is not None:
        state = with_exposure(state, flag, exposure_at(record.flag, share))
    return compile_cohort(ruleset_in_force(state), flag, members)


def record_of(state: State, flag: str) -> FlagRecord:
    if flag not in state.records:
        raise UnknownFlag("no flag has this name", f"there are {', '.join(sorted(state.records)[:10])}")
    return state.records[flag]


def audience_of(flag: Flag) -> str:
    """The audience that a bare percentage is of."""
    return flag.rollout.audience if flag.rollout else flag.audience or EVERYONE


def exposure_at(flag: Flag, share: Share, audience: str | None = None) -> Exposure:
    """At this share of the audience, and at all that the plan has before that point. Raises InvalidInput where there
    is no plan, or one that does not speak of the audience."""
    audience = audience or audience_of(flag)
    if not flag.rollout:
        raise InvalidInput(f"{flag.key} has no rollout, so no share to stand at", "leave the share out")
    named = list(dict.fromkeys(stage.audience for stage in flag.stages))
    if audience not in named:
        raise InvalidInput(
            f"the plan of {flag.key} does not speak of {audience}", f"it speaks of {', '.join(named)}; say --audience"
        )
    exposure: dict[str, Share] = {}
    for stage in flag.stages:
        if stage.audience == audience and stage.share >= share:
            break
        exposure[stage.audience] = max(exposure.get(stage.audience, NOBODY), stage.share)
    return {name: live for name, live in {**exposure, audience: share}.items() if live > NOBODY}


def with_exposure(state: State, flag: str, exposure: Exposure) -> State:
    """Its rollout there, all else as it was."""
    record = record_of(state, flag)
    progress = replace(record.progress, exposure=exposure)
    return replace(state, records={**state.records, flag: replace(record, progress=progress)})


def required_at(state: State, flag: str, share: Share) -> State:
    """Every rollout that the flag requires, directly or through others, at this share of its own audience."""
    waiting, seen = list(record_of(state, flag).flag.requires), set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in state.records:
            continue
        seen.add(name)
        required = state.records[name].flag
        waiting += required.requires
        if required.rollout and audience_of(required) in {stage.audience for stage in required.stages}:
            state = with_exposure(state, name, exposure_at(required, share))
    return state
