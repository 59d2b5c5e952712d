"""Why somebody has a flag or not: the same predicates that evaluation asks, step by step, with words. The answer is the
evaluator's own; the steps only say how it came about.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rollout.core.bucketing import bucket, bucket_percent
from rollout.core.conditions import Context, compile_condition, compile_match
from rollout.core.evaluation import Answer, Evaluator, compile_excluded
from rollout.core.flags import Split
from rollout.core.plans import Stage, covered
from rollout.core.progress import Exclusion, FlagRecord, State
from rollout.core.ruleset import Admission, Excluded, rules_in_force
from rollout.core.segments import EVERYONE, Condition, Match, Segment
from rollout.core.shares import EVERYBODY, HASHES
from rollout.core.wording import condition_words, given_words, lacking_words


@dataclass(frozen=True, slots=True)
class Step:
    """One question that was asked, or, where `holds` is None, one that was not reached."""

    holds: bool | None
    text: str
    path: str  # what in the file it is about: "flags.payments.rollout.stages.0"
    depth: int = 0  # a condition belongs to the step above it


@dataclass(frozen=True, slots=True)
class Explanation:
    answer: Answer
    because: str
    would_change: tuple[str, ...]
    bucket: str | None  # the subject's place from 0 to 100, None without a targeting key
    steps: tuple[Step, ...]


def explain(record: FlagRecord, context: Context, evaluator: Evaluator, state: State) -> Explanation:
    """Never raises for a context from `read_context`; `record` must be one of the evaluator's flags."""
    answer = evaluator.flags[record.flag.key](context)
    try:
        case = _Case(record, context, evaluator, state)
        steps = tuple(case.steps())
        return Explanation(answer, case.because(answer), tuple(case.would_change(answer)), case.place_words(), steps)
    except Exception:  # what is broken in a flag cannot be told step by step
        return Explanation(answer, answer.error or answer.because, (), None, ())


class _Case:
    """One flag and one context, looked at from all sides."""

    def __init__(self, record: FlagRecord, context: Context, evaluator: Evaluator, state: State) -> None:
        self.record = record
        self.flag = record.flag
        self.context = context
        self.evaluator = evaluator
        self.state = state
        self.path = f"flags.{record.flag.key}"
        self.admissions = rules_in_force(record).admissions

    # What was asked, in the order of evaluation.

    def steps(self) -> Iterator[Step]:
        """Every question, with its parts below it; those after the one that decided were not reached."""
        decided = False
        for question, parts, decides in self._questions():
            for step in (question, *parts):
                yield replace(step, holds=None) if decided else step
            decided = decided or decides

    def _questions(self) -> Iterator[tuple[Step, tuple[Step, ...], bool]]:
        """A step, its parts, and whether it settles the answer."""
        killed, enabled = self.record.progress.killed, self.flag.enabled
        yield Step(not killed, self._killed_words(), self.path), (), bool(killed)
        yield Step(enabled, "enabled in the file", f"{self.path}.enabled"), (), not enabled
        for other in self.flag.requires:
            on = self._has(other)
            text = f"requires {other}, which is {'on' if on else 'off'} for them"
            yield Step(on, text, f"{self.path}.requires"), (), not on
        for exclusion in self.record.progress.excluded:
            out = self._excluded(exclusion)
            text = f"not excluded by guard {exclusion.guard}: {exclusion.attribute} {exclusion.value}"
            yield Step(not out, text, f"guards.{exclusion.guard}"), (), out
        for index, rule in enumerate(self.flag.rules):
            path = f"{self.path}.rules.{index}"
            holds = self._holds(rule.match)
            step = Step(holds, f"rule {index + 1}: serve {_serving(rule.serve)}", path)
            yield step, tuple(self._conditions(rule.match, path, 1)), holds
        yield from self._stages()

    def _stages(self) -> Iterator[tuple[Step, tuple[Step, ...], bool]]:
        """Those that admit somebody, in the order in which they are asked; then those to come."""
        live = {(admission.audience, admission.stage): admission for admission in self.admissions}
        places = {(stage.audience, stage.name): index for index, stage in enumerate(self.flag.stages)}
        for name, admission in live.items():
            stage, path = self.flag.stages[places[name]], self._stage_path(places[name])
            admitted = self._admitted(admission)
            step = Step(admitted, self._admission_words(stage, admission), path)
            yield step, tuple(self._admission_steps(admission, path)), admitted
        for name, index in places.items():
            stage = self.flag.stages[index]
            if name not in live and not covered(stage, self.record.progress.exposure):
                yield Step(None, f"stage {stage.name}: not reached yet", self._stage_path(index)), (), False

    def _stage_path(self, index: int) -> str:
        rollout = self.flag.rollout
        if rollout is None:
            return f"{self.path}.audience"
        return f"plans.{rollout.plan}.stages.{index}" if rollout.plan else f"{self.path}.rollout.stages.{index}"

    def _admission_words(self, stage: Stage, admission: Admission) -> str:
        whom = "everyone" if admission.audience == EVERYONE else admission.audience
        much = (
            f"all of {whom}" if admission.share == EVERYBODY and whom != "everyone" else f"{admission.share} of {whom}"
        )
        other = "" if admission.share == stage.share else f" (set by hand; the stage says {stage.share})"
        if self.flag.rollout is None:
            return f"no rollout: on for {whom}"
        return f"stage {stage.name}: {much}{other}"

    def _admission_steps(self, admission: Admission, path: str) -> Iterator[Step]:
        if admission.audience != EVERYONE:
            segment = self.state.definitions.segments[admission.audience]
            yield from self._segment_steps(segment, 1)
        if not _whole(admission):
            yield Step(self._in_share(admission), self._share_words(admission), path, 1)

    def _segment_steps(self, segment: Segment, depth: int) -> Iterator[Step]:
        path = f"segments.{segment.name}"
        holds = self.evaluator.segments[segment.name](self.context)
        if segment.members:
            yield Step(holds, f"listed in {segment.members.file}", path, depth)
        elif len(segment.matches) == 1:
            yield from self._conditions(segment.matches[0], path, depth)
        else:
            yield Step(holds, f"in {segment.name}: any of", path, depth)
            for match in segment.matches:
                yield from self._conditions(match, path, depth + 1)

    def _conditions(self, match: Match, path: str, depth: int) -> Iterator[Step]:
        attributes, segments = self.state.definitions.attributes, self.evaluator.segments
        for condition in match.conditions:
            holds = compile_condition(condition, attributes, segments)(self.context)
            given = given_words(condition, self.context)
            yield Step(holds, condition_words(condition) + (f" ({given})" if given and not holds else ""), path, depth)

    # The first reason, and what would make it otherwise.

    def because(self, answer: Answer) -> str:
        kind, _, what = answer.because.partition(" ")
        if answer.error:
            return answer.error
        if kind == "killed":
            return self._killed_words()
        if kind == "disabled":
            return "it is switched off in the file"
        if kind == "requires":
            return f"it requires {what}, which they do not have"
        if kind == "guard":
            return self._excluded_because()
        if kind == "rule":
            rule = self.flag.rules[int(what) - 1]
            return f"rule {what} matches: " + ", ".join(map(condition_words, rule.match.conditions))
        if kind == "stage":
            return self._admission_because(what)
        return self._nobody_because()

    def _killed_words(self) -> str:
        killed = self.record.progress.killed
        if killed is None:
            return "not killed"
        return f"killed by {killed.by} on {killed.at:%Y-%m-%d %H:%M} UTC" + (
            f": {killed.reason}" if killed.reason else ""
        )

    def _excluded_because(self) -> str:
        out = next(one for one in self.record.progress.excluded if self._excluded(one))
        since = f"{out.stop.at:%Y-%m-%d %H:%M} UTC"
        return f"guard {out.guard} excluded {out.attribute} {out.value} on {since}: {out.stop.reason}"

    def _admission_because(self, name: str) -> str:
        admission = next(one for one in self.admissions if one.stage == name and self._admitted(one))
        if admission.audience == EVERYONE and _whole(admission):
            return "it is on for everyone"
        if _whole(admission):
            return f"they are in {admission.audience}, all of whom have it"
        return f"{self._share_words(admission)} of {admission.audience}"

    def _nobody_because(self) -> str:
        if not self.admissions:
            return "no rule matches" if self.flag.rules and not self.flag.stages else "its rollout has not begun"
        last = self.admissions[-1]
        if not self._in_audience(last):
            return f"they are not in {last.audience}" + self._lacking(last.audience)
        return f"{self._share_words(last)} of {last.audience}"

    def _lacking(self, name: str) -> str:
        failing = [lacking_words(condition, self.context) for condition in self._failing(name)]
        return ": " + ", ".join(failing) if failing else ""

    def _failing(self, name: str) -> list[Condition]:
        """The conditions of a segment that do not hold, where one match says who is in it."""
        segment = self.state.definitions.segments[name]
        if len(segment.matches) != 1:
            return []
        attributes, segments = self.state.definitions.attributes, self.evaluator.segments
        conditions = segment.matches[0].conditions
        return [one for one in conditions if not compile_condition(one, attributes, segments)(self.context)]

    def would_change(self, answer: Answer) -> Iterator[str]:
        kind, _, what = answer.because.partition(" ")
        key = self.flag.key
        if answer.on:
            yield f"`rollout kill {key}` would take it from everyone"
        elif kind == "killed":
            yield f"`rollout revive {key}`"
        elif kind == "disabled":
            yield "`enabled: true` in the file"
        elif kind == "requires":
            yield f"having {what}"
        elif kind == "guard":
            values = dict.fromkeys(one.value for one in self.record.progress.excluded if self._excluded(one))
            yield " and ".join(f"`rollout resume {key} --value {shlex.quote(value)}`" for value in values)
        elif kind == "no":
            yield f"a check that sends {self.flag.bucket_by}"
        elif kind == "rule":
            yield f"not matching rule {what}, which serves {answer.variant}"
        elif kind == "not":
            yield from self._openings()

    def _openings(self) -> Iterator[str]:
        """What would let them in, for each audience that the plan speaks of."""
        live = {admission.audience: admission for admission in self.admissions}
        last = {stage.audience: stage for stage in self.flag.stages}
        for audience, stage in last.items():
            wants = []
            if audience != EVERYONE and not self.evaluator.segments[audience](self.context):
                wants.append(self._join(audience))
            if audience not in live or not self._in_share(live[audience]):
                wants.append(self._reach(stage))
            yield " and ".join(wants)

    def _join(self, audience: str) -> str:
        failing = [condition_words(condition) for condition in self._failing(audience)]
        return f"being in {audience}" + (f" ({', '.join(failing)})" if failing else "")

    def _reach(self, stage: Stage) -> str:
        whom = "" if stage.audience == EVERYONE else f" of {stage.audience}"
        place = self.place_words()
        if stage.by_segment:
            return f"the rollout reaching stage {stage.name}"
        return f"the rollout reaching more than {place}%{whom}" if place else f"the rollout reaching 100%{whom}"

    # The predicates, asked one by one.

    def _has(self, key: str) -> bool:
        ask = self.evaluator.flags.get(key)
        return ask is not None and ask(self.context).on

    def _excluded(self, exclusion: Exclusion) -> bool:
        rule = Excluded(exclusion.attribute, exclusion.value, exclusion.guard)
        return compile_excluded(rule, self.state.definitions.attributes)(self.context)

    def _holds(self, match: Match) -> bool:
        return compile_match(match, self.state.definitions.attributes, self.evaluator.segments)(self.context)

    def _admitted(self, admission: Admission) -> bool:
        return self._in_audience(admission) and self._in_share(admission)

    def _in_audience(self, admission: Admission) -> bool:
        return admission.audience == EVERYONE or self.evaluator.segments[admission.audience](self.context)

    def _in_share(self, admission: Admission) -> bool:
        place = self._place()
        return _whole(admission) or (place is not None and place < admission.share.threshold)

    def _share_words(self, admission: Admission) -> str:
        place = self.place_words()
        if place is None:
            return f"without {self.flag.bucket_by} they are in no share"
        return f"their bucket {place} is {'below' if self._in_share(admission) else 'not below'} {admission.share}"

    def _place(self) -> int | None:
        targeting_key = self.context.get(self.flag.bucket_by)
        return bucket(self.flag.salt, str(targeting_key)) if targeting_key else None

    def place_words(self) -> str | None:
        """Rounded down, so that a bucket that is shown as 1.0000 is not below 1%."""
        place = self._place()
        return None if place is None else f"{int(bucket_percent(place) * 10_000) / 10_000:.4f}"


def _whole(admission: Admission) -> bool:
    """Every hash is admitted, so that no targeting key is needed."""
    return admission.share.threshold == HASHES


def _serving(serve: str | Split) -> str:
    return serve if isinstance(serve, str) else "a split of " + ", ".join(variant for variant, _ in serve.shares)
