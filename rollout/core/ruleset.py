"""Plain rules: what is in force for a flag right now. Stages, files and time are gone; what is left is who is admitted,
which is all that the evaluator and the clients know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rollout.core.attributes import Attribute
from rollout.core.flags import Flag, Rule, Serving, ValueType, VariantValue
from rollout.core.plans import Exposure, Stage, covered
from rollout.core.progress import FlagRecord, State
from rollout.core.segments import Segment
from rollout.core.shares import NOBODY, Share


@dataclass(frozen=True, slots=True)
class Admission:
    """This share of this audience has the flag."""

    audience: str
    share: Share
    stage: str  # the stage that it came from, for explanations
    by_segment: bool  # the plan names the segment, not a percentage of it


@dataclass(frozen=True, slots=True)
class Excluded:
    """A guard took the flag from those whose attribute has this value."""

    attribute: str
    value: str
    guard: str


@dataclass(frozen=True, slots=True)
class FlagRules:
    key: str
    type: ValueType
    variants: Mapping[str, VariantValue]
    off: str | None
    on: Serving
    enabled: bool
    killed: bool
    requires: tuple[str, ...]
    rules: tuple[Rule, ...]
    admissions: tuple[Admission, ...]
    salt: str
    bucket_by: str
    client: bool
    has_rollout: bool
    excluded: tuple[Excluded, ...] = ()


@dataclass(frozen=True, slots=True)
class Ruleset:
    revision: int
    attributes: Mapping[str, Attribute]
    segments: Mapping[str, Segment]
    flags: Mapping[str, FlagRules]


def rules_in_force(record: FlagRecord) -> FlagRules:
    flag, progress = record.flag, record.progress
    return FlagRules(
        key=flag.key,
        type=flag.type,
        variants=flag.variants,
        off=flag.off,
        on=flag.on,
        enabled=flag.enabled,
        killed=progress.killed is not None,
        requires=flag.requires,
        rules=flag.rules,
        admissions=tuple(admissions(flag, progress.exposure)),
        salt=flag.salt,
        bucket_by=flag.bucket_by,
        client=flag.client,
        has_rollout=flag.rollout is not None,
        excluded=tuple(Excluded(one.attribute, one.value, one.guard) for one in progress.excluded),
    )


def ruleset_in_force(state: State) -> Ruleset:
    flags = {key: rules_in_force(record) for key, record in state.records.items()}
    return Ruleset(state.revision, state.definitions.attributes, state.definitions.segments, flags)


def admissions(flag: Flag, exposure: Exposure) -> Iterator[Admission]:
    """One for each audience, in the order in which the plan first speaks of it."""
    for audience in dict.fromkeys(stage.audience for stage in flag.stages):
        share = exposure.get(audience, NOBODY)
        if share > NOBODY:
            stage = _reached([stage for stage in flag.stages if stage.audience == audience], exposure)
            yield Admission(audience, share, stage.name, stage.by_segment)


def _reached(stages: list[Stage], exposure: Exposure) -> Stage:
    """The last stage of one audience that is covered; the first, where a share below it was set."""
    return next((stage for stage in reversed(stages) if covered(stage, exposure)), stages[0])
