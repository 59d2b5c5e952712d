"""What was served of each share, in one worker: how many checks it decided, whom they were of, on which side of the
draw. Checks are counted where they are anyhow; of people those inside and those of the control group are kept until a
thread takes them, and some checks a second are looked at closely. From there all goes to the store, every few seconds,
for periods of five minutes. All that waits is bounded, and where it is too much fewer people of both sides are taken.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from rollout.core.bucketing import bucket
from rollout.core.draws import CONTROL, INSIDE, Draw, draw_of
from rollout.core.evaluation import Answer, Evaluator
from rollout.core.ruleset import Ruleset
from rollout.core.served_shares import Seen
from rollout.service.follower import Follower
from rollout.service.measures import Asked
from rollout.service.ports import Drawn, FlagStore

PERIOD_MS = 300_000
PERIODS = 4
"""The last quarter of an hour, and what there is of the period that is not over."""

ROUNDS = 5  # from one handing over to the next
MOST_PEOPLE = 2000  # of each side of a flag, each time
LOOKED_AT = 20  # checks between two rounds of which it is looked at whose they are
REMEMBERED = 50  # of those, by flag

Sample: TypeAlias = tuple[Sequence[Answer], str, bool]
"""Answers, whose they are, and whether one was asked for alone: those are in the sets of people already."""


@dataclass
class Draws:
    """`asked`: what was counted of checks since this worker began, by flag. `look_at` is called by the threads that
    answer requests, all others by one other."""

    store: FlagStore
    follower: Follower
    key_name: str
    keyed_hash: Callable[[str], bytes]
    asked: Callable[[], Mapping[str, Asked]] = dict
    room: int = LOOKED_AT
    _samples: list[Sample] = field(default_factory=list)
    _evaluator: Evaluator | None = None
    _draws: Mapping[str, Draw] = field(default_factory=dict)
    _people: dict[str, set[str]] = field(default_factory=dict)  # by flag and side
    _counts: dict[str, Counter[str]] = field(default_factory=dict)  # by flag
    _before: dict[str, Asked] = field(default_factory=dict)
    _lately: dict[str, deque[str]] = field(default_factory=dict)  # whose checks they were that were looked at
    _round: int = 0

    def look_at(self, answers: Sequence[Answer], subject: str, alone: bool) -> None:
        """While there is room, which whoever calls this looks at."""
        self.room -= 1
        self._samples.append((answers, subject, alone))

    def take(self, flag: str, side: str, people: Collection[str], visits: int = 0) -> None:
        """People of one side of a flag's draw, and how many checks were theirs."""
        if flag in self._draws:
            self._people.setdefault(flag + side, set()).update(people)
            self._counts.setdefault(flag, Counter())["visits"] += visits

    def report(self, flag: str, name: str, sides: Mapping[str, Collection[str]]) -> None:
        """People of whom another program says so, which evaluates by itself, and by a draw of this name."""
        draw = self._draws.get(flag)
        if draw is not None and draw.name == name:
            for side, people in sides.items():
                self.take(flag, side, people)
                self._counts[flag]["elsewhere"] += len(people)

    def flush(self) -> None:
        """Raises StoreUnavailable; what could not be handed over then is not counted."""
        self._look_at_flags()
        self._look_at_samples()
        self._round += 1
        if self._round % ROUNDS:
            return
        counts, self._counts = self._counts, {}
        people, self._people = self._people, {}
        for flag, asked in self._asked_since().items():
            counts.setdefault(flag, Counter()).update(asked.as_counts())
        if counts:
            self._hand_over(self.store.read([]).now_ms // PERIOD_MS, counts, people)

    def _look_at_flags(self) -> None:
        """Where the draw is another one, what was counted of the one before is left out."""
        evaluator = self.follower.current.evaluator
        if evaluator is self._evaluator:
            return
        draws = draws_of(evaluator)
        for flag in {flag for flag, draw in self._draws.items() if draws.get(flag) != draw}:
            self._counts.pop(flag, None)
            self._lately.pop(flag, None)
            for side in (INSIDE, CONTROL):
                self._people.pop(flag + side, None)
        new = {flag for flag, draw in draws.items() if self._draws.get(flag) != draw}
        self._before |= {flag: asked for flag, asked in self.asked().items() if flag in new}
        self._evaluator, self._draws = evaluator, draws

    def _look_at_samples(self) -> None:
        samples, self._samples = self._samples, []
        self.room = LOOKED_AT
        for answers, subject, alone in samples:
            for answer in answers:
                draw = self._draws.get(answer.flag)
                if draw is not None and answer.drawn is not None:
                    self._look_at(answer, draw, subject, alone)

    def _look_at(self, answer: Answer, draw: Draw, subject: str, alone: bool) -> None:
        flag = answer.flag
        counts = self._counts.setdefault(flag, Counter())
        lately = self._lately.setdefault(flag, deque(maxlen=REMEMBERED))
        lately.append(subject)
        counts["sampled"] += 1
        counts["same"] += lately.count(subject) * 2 > len(lately)
        if alone:
            return
        salt = self.follower.current.evaluator.ruleset.flags[flag].salt
        if answer.drawn or bucket(salt, subject) < draw.edge:
            self.take(flag, INSIDE if answer.drawn else CONTROL, (subject,))
            counts["elsewhere"] += 1

    def _asked_since(self) -> dict[str, Asked]:
        """How much was asked for flags with a draw since this was called last."""
        now, before = self.asked(), self._before
        self._before = {flag: asked for flag, asked in now.items() if flag in self._draws}
        since = {flag: asked.since(before.get(flag, Asked())) for flag, asked in self._before.items()}
        return {flag: asked for flag, asked in since.items() if asked.checks}

    def _hand_over(self, period: int, counts: Mapping[str, Counter[str]], people: Mapping[str, set[str]]) -> None:
        for flag, counted in counts.items():
            sides = {side: people.get(flag + side, set()) for side in (INSIDE, CONTROL)}
            hashed = {side: self._hashed(side_people, sides.values()) for side, side_people in sides.items()}
            name = self._draws[flag].name
            self.store.draw(
                flag,
                period,
                {f"{name}/{what}": count for what, count in counted.items() if count},
                {f"{name}/{self.key_name}{side}": hashes for side, hashes in hashed.items() if hashes},
            )

    def _hashed(self, people: Collection[str], sides: Collection[Collection[str]]) -> list[bytes]:
        """Of both sides the same part, by who it is: so fewer people are as much like all."""
        one_in = max(map(len, sides)) // MOST_PEOPLE + 1
        return [self.keyed_hash(who) for who in people if one_in == 1 or bucket("thin", who) % one_in == 0]


def draws_of(evaluator: Evaluator) -> dict[str, Draw]:
    """Flags whose share can be compared, and its draw."""
    found = ((key, comparable(key, evaluator.ruleset)) for key in evaluator.ruleset.flags)
    return {key: draw for key, draw in found if draw is not None}


def comparable(flag: str, ruleset: Ruleset) -> Draw | None:
    """The draw of its share. None also where it has its buckets in common with a flag that it requires: whoever has
    that one has small buckets."""
    rules = ruleset.flags[flag]
    shared = any(ruleset.flags[other].salt == rules.salt for other in rules.requires if other in ruleset.flags)
    return None if shared else draw_of(rules)


def seen_of(draw: Draw, drawn: Drawn) -> Seen:
    """What the store has of this very draw."""
    counts = {name.rpartition("/")[2]: count for name, count in drawn.counts.items() if _is_of(draw, name)}
    people: Counter[str] = Counter()
    for name, count in drawn.people.items():
        if _is_of(draw, name):
            people[INSIDE if name.endswith(INSIDE) else CONTROL] += count
    return Seen(**counts, people_inside=people[INSIDE], people_control=people[CONTROL])


def _is_of(draw: Draw, name: str) -> bool:
    return name.rpartition("/")[0] == draw.name
