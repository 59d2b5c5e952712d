"""Flags on which nothing but their admissions decides, with one answer for each: nearly all flags are such. One of them
becomes a function of just the shape that it needs; for all of a ruleset together see `together`. Both give the very
answers that were made at compile time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from rollout.core.bucketing import hash32
from rollout.core.conditions import Context, Predicate
from rollout.core.segments import EVERYONE
from rollout.core.shares import HASHES

if TYPE_CHECKING:
    from rollout.core.evaluation import Answer

    Evaluate: TypeAlias = Callable[[Context], Answer]


@dataclass(frozen=True, slots=True)
class Admitting:
    """`admissions`: audience, threshold, and what those are served who are admitted by it. Killed and disabled flags
    are those with none."""

    salt: str
    bucket_by: str
    admissions: tuple[tuple[str, int, Answer], ...]
    nobody: Answer
    keyless: Answer
    broken: Answer
    outside: Answer  # in the audience of its share, and not admitted
    control: Answer  # the same of those in the control group: the buckets next to the share's, up to `edge`
    edge: int  # most people are beyond it: one comparison for them
    audiences: tuple[str, ...] = field(init=False)  # of its admissions

    def __post_init__(self) -> None:
        object.__setattr__(self, "audiences", tuple([audience for audience, _, _ in self.admissions]))


def admit(flag: Admitting, segments: Mapping[str, Predicate]) -> Evaluate:
    """One flag as a function. Raises KeyError for an audience that does not exist."""
    admissions = tuple(
        (None if audience == EVERYONE else segments[audience], threshold, served)
        for audience, threshold, served in flag.admissions
    )
    nobody = flag.nobody
    if not admissions:
        return lambda context: nobody  # noqa: ARG005
    in_first, threshold, served = admissions[0]
    if in_first is None and threshold == HASHES:
        return lambda context: served  # noqa: ARG005
    if len(admissions) == 1:
        return _share(flag, threshold, served) if in_first is None else _one(flag, in_first, threshold, served)
    in_second, second_threshold, second_served = admissions[1]
    if len(admissions) == 2 and in_first and threshold == HASHES and in_second and second_threshold < HASHES:
        return _segment_then_share(flag, in_first, served, _one(flag, in_second, second_threshold, second_served))
    return _any_of(flag, admissions)


def _share(flag: Admitting, threshold: int, served: Answer) -> Evaluate:
    """A share of everyone."""
    salt, bucket_by, keyless, broken = flag.salt, flag.bucket_by, flag.keyless, flag.broken
    outside, control, edge = flag.outside, flag.control, flag.edge

    def evaluate(context: Context) -> Answer:
        try:
            targeting_key = context.get(bucket_by)
            if not targeting_key:
                return keyless
            place = hash32(f"{salt}:{targeting_key}", 0, False)
            return outside if place >= edge else served if place < threshold else control
        except Exception:  # a broken flag fails alone
            return broken

    return evaluate


def _one(flag: Admitting, in_audience: Predicate, threshold: int, served: Answer) -> Evaluate:
    """A share of one audience, or all of it."""
    salt, bucket_by, nobody, keyless, broken = flag.salt, flag.bucket_by, flag.nobody, flag.keyless, flag.broken
    outside, control, edge = flag.outside, flag.control, flag.edge
    whole = threshold == HASHES

    def evaluate(context: Context) -> Answer:
        try:
            if not in_audience(context):
                return nobody
            if whole:
                return served
            targeting_key = context.get(bucket_by)
            if not targeting_key:
                return keyless
            place = hash32(f"{salt}:{targeting_key}", 0, False)
            return outside if place >= edge else served if place < threshold else control
        except Exception:  # a broken flag fails alone
            return broken

    return evaluate


def _segment_then_share(flag: Admitting, in_segment: Predicate, served: Answer, then: Evaluate) -> Evaluate:
    """The founding case: all employees, then a share of an audience."""
    broken = flag.broken

    def evaluate(context: Context) -> Answer:
        try:
            return served if in_segment(context) else then(context)
        except Exception:  # a broken flag fails alone
            return broken

    return evaluate


def _any_of(flag: Admitting, admissions: Sequence[tuple[Predicate | None, int, Answer]]) -> Evaluate:
    salt, bucket_by, nobody, keyless, broken = flag.salt, flag.bucket_by, flag.nobody, flag.keyless, flag.broken
    outside, control, edge = flag.outside, flag.control, flag.edge

    def evaluate(context: Context) -> Answer:
        place = -1
        off = nobody
        try:
            for in_audience, threshold, served in admissions:
                if in_audience is not None and not in_audience(context):
                    continue
                if threshold == HASHES:
                    return served
                if place < 0:
                    targeting_key = context.get(bucket_by)
                    if not targeting_key:
                        off = keyless
                        continue
                    place = hash32(f"{salt}:{targeting_key}", 0, False)
                if place < threshold:
                    return served
                off = outside if place >= edge else control
            return off
        except Exception:  # a broken flag fails alone
            return broken

    return evaluate
