"""Who has a flag, of a whole population, in the order of `core.evaluation`: not killed, enabled, everything that is
required, not excluded by a guard, the first rule that matches, the admissions, off. Each step is a mask over those whom
no step before has decided.

The answers are those of the core's evaluator, for everybody, always: tests compare the two over random rulesets and on
the published vectors. A flag that cannot be evaluated is off for everybody, and says so in `broken`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from rollout.batch.columns import Mask
from rollout.batch.conditions import Holds, any_of, condition_mask, match_mask
from rollout.batch.frames import Frame
from rollout.batch.members import MemberColumn
from rollout.core.attributes import Attribute, read_value
from rollout.core.dependencies import needed_first
from rollout.core.flags import TARGETING_ATTRIBUTE, Rule, Serving, Split
from rollout.core.ruleset import Admission, Excluded, FlagRules, Ruleset
from rollout.core.segments import EVERYONE, AttributeCondition, Match, OneOf, Segment, segments_in
from rollout.core.shares import HASHES, NOBODY, Share

Served: TypeAlias = npt.NDArray[np.int16]
"""Of each row: 0 for the off side, n for the flag's n-th variant."""

Step: TypeAlias = Callable[[Frame, Mask, Served], Mask]
"""Decides some of the rows that are still open (the mask), writes what they are served, and gives those left open."""


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """One flag, ready to be asked about whole batches. Immutable; may be asked from several threads."""

    flag: str
    bucket_by: str
    attributes: Mapping[str, Attribute]
    columns: tuple[str, ...]  # what it asks for, the targeting key first
    variants: tuple[str | None, ...]  # by what `Served` says
    on: Mask  # the same, whether that is the flag's on side
    steps: tuple[Step, ...]
    requires: tuple[Cohort, ...] = ()
    broken: bool = False

    def served(self, frame: Frame) -> Served:
        """What everybody in the frame is served."""
        served = np.zeros(frame.size, np.int16)
        undecided = self._met(frame) if self.steps else served.astype(np.bool_)
        for step in self.steps:
            undecided = step(frame, undecided, served)
        served[frame.refused(self.columns)] = 0
        return served

    def has(self, frame: Frame) -> Mask:
        """Who has the flag."""
        mask: Mask = self.on[self.served(frame)]
        return mask

    def _met(self, frame: Frame) -> Mask:
        met = np.ones(frame.size, np.bool_)
        for required in self.requires:
            met &= required.has(frame)
        return met


Segments: TypeAlias = Mapping[str, Holds]


def compile_cohort(ruleset: Ruleset, key: str, members: Mapping[str, bytes]) -> Cohort:
    """`members`: the packed member lists by digest, as a flags file or the store has them; a list that is not there
    has nobody in it. Raises KeyError where there is no such flag."""
    wanted = _with_required(ruleset, key)
    reached = [name for each in wanted for name in _reached(ruleset, ruleset.flags[each])]
    segments = _segments({name: ruleset.segments[name] for name in reached}, ruleset.attributes, members)
    compiled: dict[str, Cohort] = {}
    for each in needed_first({name: ruleset.flags[name].requires for name in wanted}):
        required = tuple(compiled[other] for other in ruleset.flags[each].requires if other in compiled)
        compiled[each] = _compile(ruleset, ruleset.flags[each], required, segments)
    return compiled[key]


def _with_required(ruleset: Ruleset, key: str) -> list[str]:
    found, waiting = [], [ruleset.flags[key].key]
    while waiting:
        name = waiting.pop()
        if name in ruleset.flags and name not in found:
            found.append(name)
            waiting += ruleset.flags[name].requires
    return found


def _compile(ruleset: Ruleset, rules: FlagRules, required: tuple[Cohort, ...], segments: Segments) -> Cohort:
    variants = tuple(rules.variants)
    on = np.array([False, *(variant != rules.off for variant in variants)], np.bool_)
    try:
        steps = _steps(ruleset, rules, required, segments)
        broken = False
    except Exception:  # a broken flag fails alone, as it does when one person is asked about
        steps, broken = (), True
    return Cohort(
        flag=rules.key,
        bucket_by=rules.bucket_by,
        attributes=ruleset.attributes,
        columns=_columns(ruleset, rules, required) if steps else (rules.bucket_by,),
        variants=(rules.off, *variants),
        on=on,
        steps=steps,
        requires=required,
        broken=broken,
    )


def _steps(ruleset: Ruleset, rules: FlagRules, required: tuple[Cohort, ...], segments: Segments) -> tuple[Step, ...]:
    if rules.killed or not rules.enabled:
        return ()
    if len(required) < len(rules.requires):
        raise LookupError("a required flag does not exist, or requires this one")
    excluding = [_exclusion(one, ruleset.attributes) for one in rules.excluded]
    listed = [_rule(rules, rule, ruleset.attributes, segments) for rule in rules.rules]
    return (*excluding, *listed, *(_admission(rules, admission, segments) for admission in rules.admissions))


def _exclusion(excluded: Excluded, attributes: Mapping[str, Attribute]) -> Step:
    """Leaves those whom it takes out on the off side. Raises InvalidInput for a value that the attribute cannot be."""
    value = read_value(attributes[excluded.attribute], excluded.value)
    excludes = condition_mask(AttributeCondition(excluded.attribute, (OneOf((value,)),)), attributes, {})

    def step(frame: Frame, undecided: Mask, served: Served) -> Mask:  # noqa: ARG001
        return undecided & ~excludes(frame)

    return step


def _rule(rules: FlagRules, rule: Rule, attributes: Mapping[str, Attribute], segments: Segments) -> Step:
    matches, serve = match_mask(rule.match, attributes, segments), _serve(rules, rule.serve)

    def step(frame: Frame, undecided: Mask, served: Served) -> Mask:
        who = undecided & matches(frame)
        serve(frame, who, served)
        return undecided & ~who

    return step


def _admission(rules: FlagRules, admission: Admission, segments: Segments) -> Step:
    audience = None if admission.audience == EVERYONE else segments[admission.audience]
    threshold, serve = admission.share.threshold, _serve(rules, rules.on)

    def step(frame: Frame, undecided: Mask, served: Served) -> Mask:
        who = undecided if audience is None else undecided & audience(frame)
        if threshold != HASHES:
            who = who & frame.keyed(rules.bucket_by)
            who = who & (frame.places(rules.salt, rules.bucket_by, who) < np.uint32(threshold))
        serve(frame, who, served)
        return undecided & ~who

    return step


def _serve(rules: FlagRules, serving: Serving) -> Callable[[Frame, Mask, Served], None]:
    codes = {variant: code for code, variant in enumerate(rules.variants, 1)}
    if not isinstance(serving, Split):
        code = codes[serving]

        def give(frame: Frame, who: Mask, served: Served) -> None:  # noqa: ARG001
            served[who] = code

        return give
    parts = np.array([codes[variant] for variant, _ in serving.shares], np.int16)
    starts = _starts(serving)

    def give_part(frame: Frame, who: Mask, served: Served) -> None:
        keyed = who & frame.keyed(rules.bucket_by)
        places = frame.places(f"{rules.salt}:split", rules.bucket_by, keyed)[keyed]
        served[keyed] = parts[np.searchsorted(starts, places, side="right")]

    return give_part


def _starts(split: Split) -> npt.NDArray[np.uint64]:
    """Where each part but the first begins, as `core.bucketing.splitter` has it."""
    ends = accumulate((share.percent for _, share in split.shares), initial=NOBODY.percent)
    return np.array([Share(end).threshold for end in ends][1:-1], np.uint64)


def _segments(
    segments: Mapping[str, Segment], attributes: Mapping[str, Attribute], members: Mapping[str, bytes]
) -> dict[str, Holds]:
    """A segment that cannot be compiled raises when it is looked up, so that it breaks no other flags than those that
    speak of it."""
    links = {name: _inner(segment) for name, segment in segments.items()}
    compiled: dict[str, Holds] = {}
    for name in needed_first(links):
        try:
            compiled[name] = _segment(segments[name], attributes, compiled, members)
        except Exception:  # a broken segment fails alone
            continue
    return compiled


def _inner(segment: Segment) -> list[str]:
    return [name for match in segment.matches for name in segments_in(match)]


def _segment(
    segment: Segment, attributes: Mapping[str, Attribute], inner: Segments, members: Mapping[str, bytes]
) -> Holds:
    if segment.members:
        packed = members.get(segment.members.digest)
        listed = MemberColumn(packed).rows if packed is not None else lambda frame: np.zeros(frame.size, np.bool_)
        return lambda frame: frame.segment(segment.name, listed)
    matches = [match_mask(match, attributes, inner) for match in segment.matches]

    def work_out(frame: Frame) -> Mask:
        return any_of(frame, [matching(frame) for matching in matches])

    return lambda frame: frame.segment(segment.name, work_out)


def _columns(ruleset: Ruleset, rules: FlagRules, required: tuple[Cohort, ...]) -> tuple[str, ...]:
    segments = [ruleset.segments[name] for name in _reached(ruleset, rules)]
    matches = [rule.match for rule in rules.rules] + [match for segment in segments for match in segment.matches]
    excluding = [excluded.attribute for excluded in rules.excluded]
    found = dict.fromkeys([rules.bucket_by, *excluding, *(name for match in matches for name in _attributes(match))])
    if any(segment.members for segment in segments):
        found[TARGETING_ATTRIBUTE] = None
    return tuple(found | dict.fromkeys(name for cohort in required for name in cohort.columns))


def _reached(ruleset: Ruleset, rules: FlagRules) -> list[str]:
    """The segments that a flag speaks of, and those inside them."""
    waiting = [admission.audience for admission in rules.admissions]
    waiting += [name for rule in rules.rules for name in segments_in(rule.match)]
    found: list[str] = []
    while waiting:
        name = waiting.pop(0)
        if name in ruleset.segments and name not in found:
            found.append(name)
            waiting += _inner(ruleset.segments[name])
    return found


def _attributes(match: Match) -> list[str]:
    return [condition.attribute for condition in match.conditions if isinstance(condition, AttributeCondition)]
