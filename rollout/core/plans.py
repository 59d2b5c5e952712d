"""Plans: the path that a rollout takes, as stages. What is live now is an exposure, the share of each audience; the
plan says how far it may go (`ceiling`) and what comes next (`covered`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from rollout.core.shares import NOBODY, Share

Exposure: TypeAlias = Mapping[str, Share]
"""Audience -> its live share. Audiences with nobody admitted are left out."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One step: this share of this audience, and everything before it."""

    name: str  # "employees", "first-million", "5%"
    audience: str  # a segment's name or EVERYONE
    share: Share
    bake: timedelta = timedelta(0)  # how long it runs before the next may begin
    approval: bool = False  # a person must let it begin
    guards: tuple[str, ...] = ()  # watching from this stage on, besides the rollout's own
    by_segment: bool = False  # written as a segment, not as a percentage


@dataclass(frozen=True, slots=True)
class Rollout:
    audience: str  # the segment that bare percentages are of, or EVERYONE
    stages: tuple[Stage, ...]
    guards: tuple[str, ...] = ()
    bake: timedelta = timedelta(0)  # of stages that name none
    plan: str | None = None  # the named plan that the stages came from
    windows: tuple[str, ...] = ()  # stages begin only while all of these are open


def ceiling(stages: Sequence[Stage]) -> Exposure:
    """How far the plan goes, for each audience."""
    top: dict[str, Share] = {}
    for stage in stages:
        top[stage.audience] = max(top.get(stage.audience, NOBODY), stage.share)
    return top


def covered(stage: Stage, exposure: Exposure) -> bool:
    """Everyone whom the stage admits has the flag."""
    return exposure.get(stage.audience, NOBODY).reaches(stage.share)


def stages_done(stages: Sequence[Stage], exposure: Exposure) -> int:
    """How many stages, from the first, are covered without a gap; the next one is the first not yet covered."""
    for index, stage in enumerate(stages):
        if not covered(stage, exposure):
            return index
    return len(stages)


def no_more_than(exposure: Exposure, other: Exposure) -> bool:
    """Nobody is admitted by `exposure` who is not by `other`."""
    return all(share <= other.get(audience, NOBODY) for audience, share in exposure.items())
