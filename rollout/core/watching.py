"""What the guards of one flag have seen and how far they have looked: a watch. It grows by one minute at a time, each
minute once and in order, and says which groups are out of bounds; what is done about that is decided elsewhere.

A group that was acted upon rests until a person begins it anew, by resuming; a guard that only warns goes on looking,
and is out of bounds until its evidence says no more than nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from rollout.core.attributes import Attribute
from rollout.core.bets import NO_OUTCOMES, Minute, Tally
from rollout.core.evidence import NO_EVIDENCE, Evidence, next_evidence
from rollout.core.guards import Guard, GuardAction
from rollout.core.judging import Judgement, alpha_of_group, declared_values, judge
from rollout.core.outcomes import SUCCESS, Field, Side, group_name
from rollout.core.progression import Verdict

TOGETHER = ""
"""The group of a guard that judges all outcomes together."""

RECENT = 10  # minutes: of these the reading is, and from them a finding can be computed again

Counts = Mapping[Field, int]


@dataclass(frozen=True, slots=True)
class Seen:
    """One minute of one group. `minute` counts from 1970."""

    minute: int
    outcomes: Minute


@dataclass(frozen=True, slots=True)
class GroupWatch:
    """`evidence` is what `recent` makes of `base`, the evidence before them."""

    evidence: Evidence = NO_EVIDENCE
    base: Evidence = NO_EVIDENCE
    recent: tuple[Seen, ...] = ()
    tripped: bool = False  # the guard acted on it


@dataclass(frozen=True, slots=True)
class GuardWatch:
    terms: str  # what the evidence speaks of; under other terms it would say nothing
    heard: int | None = None  # the last minute in which outcomes came
    samples: int = 0  # outcomes with the flag since the stage that is live began
    groups: Mapping[str, GroupWatch] = field(default_factory=dict)  # by value, in the order in which they appeared
    drill: GroupWatch | None = None  # a shadow: judged as a group is, and nobody's


@dataclass(frozen=True, slots=True)
class Watch:
    judged: int  # the last minute that was looked at
    stage: int = 0  # the minute in which the stage that is live began
    blurred: int | None = None  # the last minute of which not every outcome was counted in its own group
    guards: Mapping[str, GuardWatch] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """A group that is out of bounds, and was not acted upon."""

    guard: Guard
    value: str | None  # of `guard.by`; None where all are judged together, or for a drill
    judgement: Judgement
    group: GroupWatch
    alpha: str  # "1/300": how often this group may be stopped wrongly
    drill: bool = False


def watch_minute(watch: Watch, guards: Sequence[Guard], counts: Counts, stage: int, folded: int = 0) -> Watch:
    """The watch after the minute that follows. `counts`: all that was counted in it; `stage`: the minute in which the
    stage that is live began; `folded`: how many counts found no place of their own."""
    minute = watch.judged + 1
    anew = stage != watch.stage
    after = {
        guard.name: _guard_minute(_watch_of(watch, guard), guard, counts, minute, stage, anew=anew) for guard in guards
    }
    return Watch(minute, stage, minute if folded else watch.blurred, after)


def findings(watch: Watch, guards: Sequence[Guard], attributes: Mapping[str, Attribute]) -> Iterator[Finding]:
    """What is out of bounds, the gravest action first."""
    for guard in sorted(guards, key=lambda guard: GRAVEST.index(guard.action)):
        one = _watch_of(watch, guard)
        for name, group in one.groups.items():
            judgement, alpha = _judged(guard, one, name, group, attributes)
            if judgement.breached and not group.tripped:
                yield Finding(guard, name if guard.by else None, judgement, group, alpha)
        if one.drill is not None:
            finding = _drilled(guard, one.drill, attributes)
            if finding.judgement.breached:
                yield finding


GRAVEST = (GuardAction.KILL, GuardAction.ROLLBACK, GuardAction.HALT, GuardAction.EXCLUDE, GuardAction.WARN)


def acted(watch: Watch, finding: Finding) -> Watch:
    """The watch once a finding was acted upon. A drill is over by it."""
    one = watch.guards[finding.guard.name]
    if finding.drill:
        return _with_guard(watch, finding.guard.name, replace(one, drill=None))
    name = finding.value if finding.value is not None else TOGETHER
    group = replace(one.groups[name], tripped=True)
    return _with_guard(watch, finding.guard.name, replace(one, groups={**one.groups, name: group}))


def tripped(watch: Watch) -> set[tuple[str, str]]:
    """The groups that were acted upon, as (guard, value)."""
    return {(name, value) for name, one in watch.guards.items() for value, group in one.groups.items() if group.tripped}


def begun_anew(watch: Watch, groups: Collection[tuple[str, str]]) -> Watch:
    """With these groups, as (guard, value), begun from nothing: what a person's word to go on makes of it."""

    def anew(name: str, one: GuardWatch) -> GuardWatch:
        kept = {value: GroupWatch() if (name, value) in groups else group for value, group in one.groups.items()}
        return replace(one, groups=kept)

    return replace(watch, guards={name: anew(name, one) for name, one in watch.guards.items()})


def failing(watch: Watch, guards: Iterable[Guard]) -> str | None:
    """The name of a guard that acted on the whole rollout and was not begun anew since."""
    for guard in guards:
        if guard.action not in (GuardAction.EXCLUDE, GuardAction.WARN) and any(
            group.tripped for group in _watch_of(watch, guard).groups.values()
        ):
            return guard.name
    return None


def verdict_of(
    guard: Guard, watch: Watch | None, attributes: Mapping[str, Attribute], minute: int, stage: int
) -> Verdict:
    """Of one guard, in `minute`, on the stage that began in the minute `stage`. What was excluded is no longer part of
    the rollout, and does not count."""
    if watch is None or guard.name not in watch.guards:
        return Verdict.SOURCE_SILENT
    one = _watch_of(watch, guard)
    if any(_out_of_bounds(guard, one, name, group, attributes) for name, group in one.groups.items()):
        return Verdict.BREACHED
    if one.heard is None or timedelta(minutes=minute - 1 - one.heard) >= guard.no_data:
        return Verdict.SOURCE_SILENT
    samples = one.samples if watch.stage == stage else 0
    clear = watch.blurred is None or minute - watch.blurred > RECENT
    return Verdict.HEALTHY if clear and samples >= guard.min_samples else Verdict.TOO_LITTLE_DATA


WORST = (Verdict.BREACHED, Verdict.SOURCE_SILENT, Verdict.TOO_LITTLE_DATA, Verdict.HEALTHY)


def worst_of(verdicts: Iterable[Verdict]) -> Verdict:
    """Of all guards that watch. Where none does, there is nothing that could be unhealthy."""
    return min(verdicts, key=WORST.index, default=Verdict.HEALTHY)


def reading(group: GroupWatch) -> Minute:
    """What was seen in the last ten minutes that were looked at."""
    total = Minute()
    for seen in group.recent:
        total = Minute(total.on + seen.outcomes.on, total.control + seen.outcomes.control)
    return total


def judgement_of(guard: Guard, watch: Watch, name: str, attributes: Mapping[str, Attribute]) -> Judgement:
    one = _watch_of(watch, guard)
    return _judged(guard, one, name, one.groups[name], attributes)[0]


def terms_of(guard: Guard) -> str:
    """What the evidence is about, and where it comes from."""
    return f"{guard.question} {' '.join(guard.prometheus or ())}".strip()


def _watch_of(watch: Watch, guard: Guard) -> GuardWatch:
    one = watch.guards.get(guard.name)
    return one if one is not None and one.terms == terms_of(guard) else GuardWatch(terms_of(guard))


def _with_guard(watch: Watch, name: str, one: GuardWatch) -> Watch:
    return replace(watch, guards={**watch.guards, name: one})


def _guard_minute(one: GuardWatch, guard: Guard, counts: Counts, minute: int, stage: int, *, anew: bool) -> GuardWatch:
    live = _live_minutes(guard, counts)
    groups = dict(one.groups)
    for name in dict.fromkeys([*groups, *_values(guard, live)]):
        outcomes = live.get(_group_name(guard, name), Minute())
        groups[name] = _group_minute(groups.get(name, GroupWatch()), guard, Seen(minute, outcomes))
    together = live.get(TOGETHER, Minute())
    return replace(
        one,
        heard=minute if live else one.heard,
        samples=(0 if anew else one.samples) + (together.on.total if minute > stage else 0),
        groups=groups,
        drill=_drill_minute(one.drill, guard, counts, minute),
    )


def metric_of(guard: Guard) -> str:
    """Under which name its outcomes are counted. What comes from Prometheus is apart from what is reported."""
    return f"{guard.metric} {guard.name}@prometheus" if guard.prometheus else guard.metric


def _live_minutes(guard: Guard, counts: Counts) -> dict[str, Minute]:
    """What the guard asks of, by group."""
    metric = metric_of(guard)
    minutes: dict[str, Minute] = {}
    for counted, count in counts.items():
        if counted.metric != metric or counted.side is Side.DRILL:
            continue
        before, more = minutes.get(counted.group, Minute()), _tally(guard, counted, count)
        if counted.side is Side.ON:
            minutes[counted.group] = replace(before, on=before.on + more)
        elif guard.against:
            minutes[counted.group] = replace(before, control=before.control + more)
    return minutes


def _values(guard: Guard, live: Mapping[str, Minute]) -> list[str]:
    if guard.by is None:
        return [TOGETHER]
    prefix = group_name(guard.by, "")
    return [group.removeprefix(prefix) for group in live if group.startswith(prefix)]


def _group_name(guard: Guard, name: str) -> str:
    return TOGETHER if guard.by is None else group_name(guard.by, name)


def _tally(guard: Guard, counted: Field, count: int) -> Tally:
    return Tally(count if _fails(guard, counted.failure) else 0, count)


def _fails(guard: Guard, failure: str) -> bool:
    """For a rate, which is of successes, every failure does."""
    return failure != SUCCESS and (not guard.counts or guard.min_rate is not None or failure in guard.counts)


def _group_minute(group: GroupWatch, guard: Guard, seen: Seen) -> GroupWatch:
    if group.tripped and guard.action is not GuardAction.WARN:
        return group
    recent = (*group.recent, seen)
    base = group.base
    while len(recent) > RECENT:
        base = next_evidence(guard, base, recent[0].outcomes)
        recent = recent[1:]
    evidence = next_evidence(guard, group.evidence, seen.outcomes)
    return GroupWatch(evidence, base, recent, group.tripped and evidence.log_value > 0)


def _drill_minute(group: GroupWatch | None, guard: Guard, counts: Counts, minute: int) -> GroupWatch | None:
    """Begins with the first outcome of a drill. Against control, a drill has a control side in which nothing fails."""
    drilled = NO_OUTCOMES
    for counted, count in counts.items():
        if (counted.metric, counted.side, counted.group) == (guard.metric, Side.DRILL, TOGETHER):
            drilled += _tally(guard, counted, count)
    if guard.min_rate is not None or (group is None and not drilled.total):
        return None
    control = Tally(0, drilled.total) if guard.against else NO_OUTCOMES
    return _group_minute(group or GroupWatch(), guard, Seen(minute, Minute(drilled, control)))


def _judged(
    guard: Guard, one: GuardWatch, name: str, group: GroupWatch, attributes: Mapping[str, Attribute]
) -> tuple[Judgement, str]:
    alpha = alpha_of_group(guard, name if guard.by else None, _declared(guard, attributes), list(one.groups))
    return judge(guard, group.evidence, alpha), str(alpha)


def _drilled(guard: Guard, group: GroupWatch, attributes: Mapping[str, Attribute]) -> Finding:
    """As strict as for the values that are declared, or for the first where none are."""
    declared = _declared(guard, attributes)
    value = (declared or ("drill",))[0] if guard.by else None
    alpha = alpha_of_group(guard, value, declared, ["drill"])
    return Finding(guard, None, judge(guard, group.evidence, alpha), group, str(alpha), drill=True)


def _declared(guard: Guard, attributes: Mapping[str, Attribute]) -> tuple[str, ...]:
    attribute = attributes.get(guard.by or "")
    return declared_values(attribute) if attribute else ()


def _out_of_bounds(
    guard: Guard, one: GuardWatch, name: str, group: GroupWatch, attributes: Mapping[str, Attribute]
) -> bool:
    if group.tripped:
        return guard.action is not GuardAction.EXCLUDE
    return _judged(guard, one, name, group, attributes)[0].breached
