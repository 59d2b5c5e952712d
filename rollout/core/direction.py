"""Which way a change goes: what of it raises anybody's exposure, and how far, from the state before and the state after
alone. Nobody may go from off to on without its being said here, now or later by what a plan does by itself; nor may a
protection be lost. Where a change cannot be told to only lower, it raises.

"How far" is the share of an audience that has the flag then. A rule, another value of those who do not have it, and
whatever else has no share counts as everybody.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rollout.core.approvals import Approvals
from rollout.core.changes import served
from rollout.core.containment import Containment, Listed, only_the_same
from rollout.core.dependencies import needed_first
from rollout.core.flags import Flag, Rule, Serving, Split
from rollout.core.plans import Exposure, no_more_than, stages_done
from rollout.core.progress import FlagRecord, Progress, State
from rollout.core.protections import lost_protections
from rollout.core.ruleset import admissions
from rollout.core.shares import EVERYBODY, NOBODY, Share

MOST_COMPARED = 10_000
"""Pairs of rules of one flag, some 100 before and after, between those that stay at both ends. Of more it is not looked
whether they only lower."""


@dataclass(frozen=True, slots=True)
class Raise:
    """One way in which a change raises exposure."""

    flag: str  # its key; empty for what concerns all of them
    what: str
    to: Share  # this much of an audience has it then, or may come to have it by what the plan does

    def __str__(self) -> str:
        return f"{self.flag}: {self.what}" if self.flag else self.what


def raises(before: State, after: State, listed: Listed = only_the_same) -> tuple[Raise, ...]:
    """All that raises. Of the two states only the flags that both were read with are compared. `listed` looks into
    member lists."""
    known = Containment(after.definitions, before.definitions, listed)
    found = {key: tuple(_of_flag(before.records.get(key), record, known)) for key, record in after.records.items()}
    _add_those_that_require_them(found, after.records)
    loosened = _loosened(before.definitions.approvals, after.definitions.approvals)
    return (*loosened, *(one for key in after.records for one in found[key]))


def beyond(approvals: Approvals | None, found: Iterable[Raise]) -> tuple[Raise, ...]:
    """Of these, what needs more than one person."""
    return tuple(one for one in found if approvals is not None and one.to > approvals.above)


def by_itself(record: FlagRecord) -> Exposure:
    """How far a rollout goes without anybody's word: up to the next stage that needs approval, or no further than it is
    while it is stopped or locked."""
    flag, progress = record.flag, record.progress
    if progress.killed or not flag.enabled:
        return {}
    if progress.halted or flag.locked or flag.rollout is None:
        return progress.exposure
    reached = dict(progress.exposure)
    for stage in flag.stages[stages_done(flag.stages, progress.exposure) :]:
        if stage.approval and stage.share > reached.get(stage.audience, NOBODY):
            break
        reached[stage.audience] = max(stage.share, reached.get(stage.audience, NOBODY))
    return reached


def is_own_step(before: FlagRecord, after: FlagRecord) -> bool:
    """Nothing but what the rollout would have come to by itself, which was decided with its plan."""
    same = replace(after.progress, exposure={}, entered_at=None, baking_from=None, baking_to=None)
    was = replace(before.progress, exposure={}, entered_at=None, baking_from=None, baking_to=None)
    return before.flag == after.flag and same == was and no_more_than(after.progress.exposure, by_itself(before))


def _loosened(before: Approvals | None, after: Approvals | None) -> tuple[Raise, ...]:
    if before is None:
        return ()
    if after is not None and after.persons >= before.persons and after.above <= before.above:
        return ()
    return (Raise("", "fewer approvals are asked for", EVERYBODY),)


def _of_flag(before: FlagRecord | None, after: FlagRecord, known: Containment) -> Iterator[Raise]:
    key = after.flag.key
    if before is not None and known.same and before.progress == after.progress and _same_flag(before.flag, after.flag):
        return
    if before is None:
        before = FlagRecord(replace(after.flag, enabled=False, locked=False), Progress(), 0)
    elif _off_value(before.flag) != _off_value(after.flag):
        yield Raise(key, "those who do not have it are served another value", EVERYBODY)
    most = _most(after)
    for what in _served_otherwise(before, after, known):
        yield Raise(key, what, most)
    yield from _admitted(before, after, known)
    if before.flag.enabled and after.flag.enabled:
        yield from (Raise(key, what, to) for what, to in lost_protections(before, after, known))


def _same_flag(before: Flag, after: Flag) -> bool:
    return before is after or (before == after and _text(dict(before.variants)) == _text(dict(after.variants)))


def _most(record: FlagRecord) -> Share:
    """How much of any audience has the flag, or comes to have it by itself."""
    if not _is_live(record):
        return NOBODY
    if any(not _serves_nobody(rule.serve, record.flag) for rule in record.flag.rules):
        return EVERYBODY
    return max([NOBODY, *by_itself(record).values()])


def _is_live(record: FlagRecord) -> bool:
    return record.flag.enabled and not record.progress.killed


def _served_otherwise(before: FlagRecord, after: FlagRecord, known: Containment) -> Iterator[str]:
    """What makes somebody have the flag besides more of an audience being admitted."""
    if not _is_live(after):
        return
    was, now = before.flag, after.flag
    if not _is_live(before):
        if any(not _serves_nobody(rule.serve, now) for rule in now.rules):
            yield "its rules begin to serve"
        return
    if (was.off, was.on) != (now.off, now.on) or _values(was, now) != _values(now, was):
        yield "what it serves is another"
    if (was.salt, was.bucket_by) != (now.salt, now.bucket_by) or not known.attribute(now.bucket_by):
        yield "another cohort is drawn"
    if now.client and not was.client:
        yield "apps may see it"
    lost = [other for other in was.requires if other not in now.requires]
    if lost:
        yield f"it no longer requires {', '.join(lost)}"
    for attribute, value in _lifted(before.progress, after.progress, known):
        yield f"those with {attribute} {value} are no longer excluded"
    if not _rules_only_lower(was, now, known):
        yield "its rules serve others"


def _lifted(before: Progress, after: Progress, known: Containment) -> list[tuple[str, str]]:
    kept = {(one.attribute, one.value) for one in after.excluded if known.attribute(one.attribute)}
    had = dict.fromkeys((one.attribute, one.value) for one in before.excluded)
    return [one for one in had if one not in kept]


def _rules_only_lower(before: Flag, after: Flag, known: Containment) -> bool:
    """Whoever was served the off side still is: on-side rules may go or narrow, off-side rules may come or widen. Both
    lists are walked from their ends; `lowers[j]` says so of what is left of both."""
    had, has = _without_common_ends(before.rules, after.rules, after, known)
    if len(had) * len(has) > MOST_COMPARED:
        return False
    lowers = [all(_serves_nobody(rule.serve, after) for rule in has[j:]) for j in range(len(has) + 1)]
    for rule in reversed(had):
        goes = _serves_all(rule.serve, after)
        row = [goes and lowers[-1]]
        for j in reversed(range(len(has))):
            stays = lowers[j + 1] and _no_wider(rule, has[j], after, known)
            comes = row[0] and _serves_nobody(has[j].serve, after)
            row.insert(0, stays or comes or (goes and lowers[j]))
        lowers = row
    return lowers[0]


def _without_common_ends(
    before: Sequence[Rule], after: Sequence[Rule], flag: Flag, known: Containment
) -> tuple[Sequence[Rule], Sequence[Rule]]:
    """What is between the rules that stay as they are."""
    while before and after and _stays(before[0], after[0], flag, known):
        before, after = before[1:], after[1:]
    while before and after and _stays(before[-1], after[-1], flag, known):
        before, after = before[:-1], after[:-1]
    return before, after


def _stays(before: Rule, after: Rule, flag: Flag, known: Containment) -> bool:
    return before == after and (known.same or _no_wider(before, after, flag, known))


def _no_wider(before: Rule, after: Rule, flag: Flag, known: Containment) -> bool:
    """Nobody gains where the second takes the place of the first."""
    if before.serve != after.serve:
        return False
    narrower = known.match(after.match, before.match)
    wider = known.reversed.match(before.match, after.match)
    if _serves_all(before.serve, flag):
        return narrower
    return wider if _serves_nobody(before.serve, flag) else narrower and wider


def _serves_all(serving: Serving, flag: Flag) -> bool:
    """On, to whomever it serves. A split does not say so: whoever has no targeting key gets no part of it."""
    return not isinstance(serving, Split) and serving != flag.off


def _serves_nobody(serving: Serving, flag: Flag) -> bool:
    return _names(serving) <= {flag.off}


def _admitted(before: FlagRecord, after: FlagRecord, known: Containment) -> Iterator[Raise]:
    """More of an audience, or the same of a wider one; now, and then by itself."""
    key = after.flag.key
    told: dict[str, Share] = {}
    for audience, share in _more(_live(before), _live(after), known):
        told[audience] = share
        yield Raise(key, f"{share} of {audience} have it", share)
    for audience, share in _more(_coming(before), _coming(after), known):
        if share > told.get(audience, NOBODY):
            yield Raise(key, f"it goes on by itself to {share} of {audience}", share)


def _live(record: FlagRecord) -> Exposure:
    return {one.audience: one.share for one in admissions(record.flag, served(record))}


def _coming(record: FlagRecord) -> Exposure:
    return {one.audience: one.share for one in admissions(record.flag, by_itself(record))}


def _more(before: Exposure, after: Exposure, known: Containment) -> Iterator[tuple[str, Share]]:
    """Of an audience that is inside another, no more than was of that one is no more."""
    for audience, share in after.items():
        if not any(share <= had and known.segment(audience, whose) for whose, had in before.items()):
            yield audience, share


def _off_value(flag: Flag) -> str:
    return _text(None if flag.off is None else flag.variants.get(flag.off))


def _values(flag: Flag, other: Flag) -> dict[str, str]:
    """What the variants are worth that both have and one of them serves."""
    serving = [flag.on, other.on, *(rule.serve for one in (flag, other) for rule in one.rules)]
    named = {name for one in serving for name in _names(one)}
    return {name: _text(flag.variants[name]) for name in named if name in flag.variants and name in other.variants}


def _text(value: object) -> str:
    """To Python 1, 1.0 and True are equal; to those who are served one of them they are not."""
    return json.dumps(value, sort_keys=True, default=dict)


def _names(serving: Serving) -> set[str]:
    return {name for name, _ in serving.shares} if isinstance(serving, Split) else {serving}


def _add_those_that_require_them(found: dict[str, tuple[Raise, ...]], records: Mapping[str, FlagRecord]) -> None:
    """Whoever gets a flag may get those that require it, no further than that one goes."""
    for key in needed_first({key: record.flag.requires for key, record in records.items()}):
        record = records[key]
        raised = [one for other in record.flag.requires for one in found.get(other, ())]
        if raised and _is_live(record):
            to = min(_most(record), max(one.to for one in raised))
            found[key] += (Raise(key, f"it requires {raised[0].flag}, which more people have", to),)
