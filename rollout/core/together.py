"""All flags of a ruleset as one function. Flags whose admissions are of the same audiences make one group: which of its
audiences somebody is in settles most of its answers at once, and what is left is one hash for each share that may still
admit them. The answers are the very ones that each flag gives when it is asked alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, TypeAlias

from rollout.core.admitting import Admitting
from rollout.core.bucketing import hash32
from rollout.core.conditions import Context, Predicate
from rollout.core.segments import EVERYONE
from rollout.core.shares import HASHES

if TYPE_CHECKING:
    from rollout.core.evaluation import Answer

    Evaluate: TypeAlias = Callable[[Context], Answer]
    Together: TypeAlias = Callable[[Context], tuple[Answer, ...]]

Inside: TypeAlias = tuple[bool, ...]
"""Of some audiences, in their order: whether somebody is in them."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A group's answers for those who are in the same of its audiences. `shares`: those that may still admit them, as
    the answer's place among all, the hash's beginning, the threshold, and what is served. Where several of one flag
    do, the one that counts comes last."""

    unadmitted: tuple[Answer, ...]
    keyless: tuple[Answer, ...]
    shares: tuple[tuple[int, str, int, Answer], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Flags that go by the same attribute and whose admissions are of the same audiences."""

    bucket_by: str
    audiences: tuple[str, ...]
    begins: int  # the place of its first flag among all
    flags: tuple[Admitting, ...]
    settled: dict[Inside, Settled] = field(default_factory=dict)  # as people come; few of the combinations ever do

    def settle(self, inside: Inside) -> Settled:
        found = self.settled[inside] = self._changed(inside, Settled((), (), ()), range(len(self.flags)))
        return found

    def settle_as(self, before: Group) -> None:
        """Everything that was settled there, with what is different now."""
        if before.begins != self.begins or len(before.flags) != len(self.flags):
            for inside in tuple(before.settled):
                self.settle(inside)
            return
        changed = [index for index, flag in enumerate(self.flags) if flag is not before.flags[index]]
        for inside, settled in before.settled.copy().items():
            self.settled[inside] = self._changed(inside, settled, changed)

    def _changed(self, inside: Inside, before: Settled, changed: Sequence[int]) -> Settled:
        places = {self.begins + index for index in changed}
        unadmitted = dict(enumerate(before.unadmitted))
        keyless = dict(enumerate(before.keyless))
        shares = [share for share in before.shares if share[0] not in places]
        for index in changed:
            flag = self.flags[index]
            unadmitted[index], keyless[index], opened = _settle(flag, inside)
            salted = f"{flag.salt}:"
            shares += [(self.begins + index, salted, threshold, served) for threshold, served in reversed(opened)]
        return Settled(tuple(unadmitted.values()), tuple(keyless.values()), tuple(shares))


def _settle(flag: Admitting, inside: Inside) -> tuple[Answer, Answer, list[tuple[int, Answer]]]:
    """What those get whom no share admits, those without a targeting key, and the shares that are before that. There is
    one answer for all outside a share: with control groups of their own for each flag hardly two people would get the
    same answers."""
    shares: list[tuple[int, Answer]] = []
    for (_, threshold, served), holds in zip(flag.admissions, inside, strict=True):
        if holds and threshold == HASHES:
            return served, served, shares
        if holds:
            shares.append((threshold, served))
    if not shares:
        return flag.nobody, flag.nobody, shares
    return flag.outside, flag.keyless, shares


@dataclass(frozen=True, slots=True)
class Grouping:
    """The flags of a ruleset in groups, `keys` in the order of these; those that are in none are asked alone."""

    groups: tuple[Group, ...] = ()
    keys: tuple[str, ...] = ()


def grouped(plain: Mapping[str, Admitting | None], segments: Mapping[str, Predicate], before: Grouping) -> Grouping:
    """`plain`: the flags on which nothing but their admissions decides. `before`: an earlier grouping by the very same
    segments. What was settled there is settled here from the beginning, so that nobody waits for it after a change."""
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for key, flag in plain.items():
        if flag is not None:
            alike.setdefault((flag.bucket_by, flag.audiences), []).append(key)
    earlier = {(group.bucket_by, group.audiences): group for group in before.groups}
    groups: list[Group] = []
    keys: list[str] = []
    for (bucket_by, audiences), own in alike.items():
        if all(audience in segments or audience == EVERYONE for audience in audiences):
            flags = tuple([flag for key in own if (flag := plain[key])])
            groups.append(_group(Group(bucket_by, audiences, len(keys), flags), earlier.get((bucket_by, audiences))))
            keys += own
    return Grouping(tuple(groups), tuple(keys))


def _group(group: Group, before: Group | None) -> Group:
    if before is None:
        return group
    if before.begins == group.begins and before.flags == group.flags:  # the very same: answers are made once
        return before
    group.settle_as(before)
    return group


def together(flags: Mapping[str, Evaluate], grouping: Grouping, segments: Mapping[str, Predicate]) -> Together:
    """All of `flags`, in their order. Where a segment turns out to be broken each is asked alone, so that no others
    fail than those that ask for it."""
    asks = tuple(flags.values())
    inside_one = frozenset(grouping.keys)
    rest = [key for key in flags if key not in inside_one]
    alone = tuple([flags[key] for key in rest])
    asked = tuple(dict.fromkeys(audience for group in grouping.groups for audience in group.audiences))
    predicates = tuple([segments.get(audience, _everyone) for audience in asked])
    groups = tuple(_picked(grouping.groups, asked))
    in_order = _in_order([*grouping.keys, *rest], flags)

    def evaluate(context: Context) -> tuple[Answer, ...]:
        try:
            inside = tuple([holds(context) for holds in predicates])
            answers = _answers(groups, inside, context)
            answers += [ask(context) for ask in alone]
            return in_order(answers)
        except Exception:
            return tuple([ask(context) for ask in asks])

    return evaluate


Picked: TypeAlias = tuple[Group, str, Callable[[Inside], Inside]]
"""A group, what it goes by, and what picks those of its audiences from those of all."""


def _answers(groups: Sequence[Picked], inside: Inside, context: Context) -> list[Answer]:
    answers: list[Answer] = []
    for group, bucket_by, pick in groups:
        within = pick(inside)
        settled = group.settled.get(within) or group.settle(within)
        targeting_key = context.get(bucket_by)
        answers += settled.unadmitted if targeting_key else settled.keyless
        if targeting_key and settled.shares:
            text = targeting_key if type(targeting_key) is str else f"{targeting_key}"
            for place, salted, threshold, served in settled.shares:
                if hash32(salted + text, 0, False) < threshold:  # bucket(), without the cost of calling it
                    answers[place] = served
    return answers


def _picked(groups: Sequence[Group], asked: Sequence[str]) -> Iterator[Picked]:
    numbers = {audience: number for number, audience in enumerate(asked)}
    for group in groups:
        yield group, group.bucket_by, _picking([numbers[audience] for audience in group.audiences])


def _picking(numbers: Sequence[int]) -> Callable[[Inside], Inside]:
    """`itemgetter` gives a tuple for several places only."""
    if len(numbers) > 1:
        return itemgetter(*numbers)
    return itemgetter(slice(numbers[0], numbers[0] + 1) if numbers else slice(0))


def _in_order(keys: Sequence[str], flags: Mapping[str, Evaluate]) -> Callable[[list[Answer]], tuple[Answer, ...]]:
    """From the order in which they are asked to their own."""
    place = {key: number for number, key in enumerate(keys)}
    order = [place[key] for key in flags]
    return itemgetter(*order) if len(order) > 1 else tuple


def _everyone(context: Context) -> bool:  # noqa: ARG001
    return True
