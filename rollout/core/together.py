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
"""Of the audiences of a group, in their order: whether somebody is in them."""


@dataclass(frozen=True, slots=True)
class _Settled:
    """A group's answers for those who are in the same of its audiences. `shares`: those that may still admit them, as
    the answer's place among all, the hash's beginning, the threshold, and what is served. Where several of one flag
    do, the one that counts comes last."""

    unadmitted: tuple[Answer, ...]
    keyless: tuple[Answer, ...]
    shares: tuple[tuple[int, str, int, Answer], ...]


@dataclass(frozen=True, slots=True)
class _Group:
    bucket_by: str
    which: Callable[[Inside], Inside]  # of all audiences that are asked to those of this group
    begins: int  # the place of its first flag among all
    flags: tuple[Admitting, ...]
    settled: dict[Inside, _Settled] = field(default_factory=dict)  # as people come; few of the combinations ever do

    def settle(self, inside: Inside) -> _Settled:
        made = [_settle(flag, inside) for flag in self.flags]
        shares = tuple(
            (self.begins + place, f"{flag.salt}:", threshold, served)
            for place, (flag, (_, _, open_shares)) in enumerate(zip(self.flags, made, strict=True))
            for threshold, served in reversed(open_shares)
        )
        unadmitted, keyless = tuple([one[0] for one in made]), tuple([one[1] for one in made])
        found = self.settled[inside] = _Settled(unadmitted, keyless, shares)
        return found


def _settle(flag: Admitting, inside: Inside) -> tuple[Answer, Answer, list[tuple[int, Answer]]]:
    """What those get whom no share admits, those without a targeting key, and the shares that are before that."""
    shares: list[tuple[int, Answer]] = []
    for (_, threshold, served), holds in zip(flag.admissions, inside, strict=True):
        if holds and threshold == HASHES:
            return served, served, shares
        if holds:
            shares.append((threshold, served))
    return flag.nobody, flag.keyless if shares else flag.nobody, shares


def together(
    flags: Mapping[str, Evaluate], plain: Mapping[str, Admitting | None], segments: Mapping[str, Predicate]
) -> Together:
    """All of `flags`, in their order; `plain` says of which nothing but their admissions decides. Where a segment turns
    out to be broken each is asked alone, so that no others fail than those that ask for it."""
    asks = tuple(flags.values())
    alike = _alike(plain, segments)
    keys = [key for _, group in alike for key in group]
    grouped = frozenset(keys)
    rest = [key for key in flags if key not in grouped]
    asked = tuple(dict.fromkeys(audience for (_, audiences), _ in alike for audience in audiences))
    predicates = tuple(segments.get(audience, _everyone) for audience in asked)
    groups = tuple(_groups(alike, plain, asked))
    alone = tuple(flags[key] for key in rest)
    in_order = _in_order([*keys, *rest], flags)

    def evaluate(context: Context) -> tuple[Answer, ...]:
        try:
            inside = tuple([holds(context) for holds in predicates])
            answers = _answers(groups, inside, context)
            answers += [ask(context) for ask in alone]
            return in_order(answers)
        except Exception:
            return tuple([ask(context) for ask in asks])

    return evaluate


def _answers(groups: Sequence[_Group], inside: Inside, context: Context) -> list[Answer]:
    answers: list[Answer] = []
    for group in groups:
        which = group.which(inside)
        settled = group.settled.get(which) or group.settle(which)
        targeting_key = context.get(group.bucket_by)
        answers += settled.unadmitted if targeting_key else settled.keyless
        if targeting_key and settled.shares:
            text = targeting_key if type(targeting_key) is str else f"{targeting_key}"
            for place, salted, threshold, served in settled.shares:
                if hash32(salted + text, 0, False) < threshold:  # bucket(), without the cost of calling it
                    answers[place] = served
    return answers


Alike: TypeAlias = list[tuple[tuple[str, tuple[str, ...]], list[str]]]
"""What a group's flags go by and their audiences, and their keys."""


def _alike(plain: Mapping[str, Admitting | None], segments: Mapping[str, Predicate]) -> Alike:
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for key, flag in plain.items():
        if flag is not None:
            audiences = tuple([audience for audience, _, _ in flag.admissions])
            if all(audience in segments or audience == EVERYONE for audience in audiences):
                alike.setdefault((flag.bucket_by, audiences), []).append(key)
    return list(alike.items())


def _groups(alike: Alike, plain: Mapping[str, Admitting | None], asked: Sequence[str]) -> Iterator[_Group]:
    numbers = {audience: number for number, audience in enumerate(asked)}
    begins = 0
    for (bucket_by, audiences), keys in alike:
        which = _picking([numbers[audience] for audience in audiences])
        yield _Group(bucket_by, which, begins, tuple([flag for key in keys if (flag := plain[key])]))
        begins += len(keys)


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
