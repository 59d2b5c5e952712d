"""Who was served a flag's on side, for the counts of the day. A check puts a targeting key into a set and does nothing
else; a thread takes them out again each second, makes them keyed hashes, and hands those that are new over to the
store, which keeps a HyperLogLog of each day and flag: 12 KB at the most, from which nobody can be read. All that waits
is bounded: people who find no place are not counted, and the log says so.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from itertools import islice

from rollout.core.draws import CONTROL, INSIDE
from rollout.core.evaluation import Answer
from rollout.core.flags import Flag
from rollout.core.progress import State
from rollout.service.draws import Draws
from rollout.service.follower import Follower
from rollout.service.measures import Asked
from rollout.service.ports import FlagStore

MOST_AT_ONCE = 50_000
"""People of one flag between two rounds: several times what one worker answers in a second."""

MOST_KEPT = 200_000
"""Of all flags together, those who wait for the store and those who are known to be counted today: some 20 MB each, in
each worker."""

MOST_HANDED_OVER = 20_000
"""In one round: what costs a worker some 20 ms of each second. The rest waits."""

HASH_BYTES = 16

log = logging.getLogger(__name__)

Hashes = dict[str, set[bytes]]
"""Flag -> people, as keyed hashes."""


@dataclass
class Exposures:
    """Of one worker. `served` and `reported` are called by the thread that answers requests, `flush` by one other.
    `key` makes targeting keys into hashes; it never leaves the servers' disks."""

    store: FlagStore
    follower: Follower
    key: bytes
    asked: Callable[[], Mapping[str, Asked]] = dict
    draws: Draws = field(init=False)
    _served: Mapping[str, set[str]] = field(default_factory=dict)  # by the names that answers say
    _visits: Counter[str] = field(default_factory=Counter)
    _state: State | None = None
    _waiting: Hashes = field(default_factory=dict)
    _known: dict[str, set[int]] = field(default_factory=dict)  # flag -> Python's hashes of who needs no hashing again
    _drawn_elsewhere: list[tuple[str, str, Mapping[str, Sequence[str]]]] = field(default_factory=list)
    _day: str = ""
    _full: bool = False

    def __post_init__(self) -> None:
        name = counter_name(self.key, "").removesuffix("/")
        self.draws = Draws(self.store, self.follower, name, keyed_hashing(self.key), self.asked)

    def served_one(self, answer: Answer, subject: object) -> None:
        """On the path of every check of one flag, in any of the threads that answer. `subject`: None where it did not
        say who it is."""
        if not isinstance(subject, str):
            return
        if self.draws.room > 0:
            self.draws.look_at((answer,), subject, alone=True)
        name = answer.counted
        if name is not None and (people := self._served.get(name)) is not None and len(people) < MOST_AT_ONCE:
            people.add(subject)
            if answer.drawn is not None:
                self._visits[name] += 1

    def served(self, answers: Sequence[Answer], subject: object) -> None:
        """The same of all flags. A page's control groups are not told apart, so of its draws some people are looked at
        closely, and no others are compared."""
        if not isinstance(subject, str):
            return
        if self.draws.room > 0:
            self.draws.look_at(answers, subject, alone=False)
        counted = self._served
        for answer in answers:
            if answer.on and (people := counted.get(answer.flag)) is not None and len(people) < MOST_AT_ONCE:
                people.add(subject)

    def drawn(self, flag: str, name: str, sides: Mapping[str, Sequence[str]]) -> None:
        """Whom others drew, by side."""
        self._drawn_elsewhere.append((flag, name, sides))

    def reported(self, flag: str, people: Iterable[str]) -> None:
        """Whom others served it."""
        counted = self._served.get(flag)
        if counted is not None:
            counted.update(islice(people, max(MOST_AT_ONCE - len(counted), 0)))

    def flush(self) -> None:
        """Raises StoreUnavailable; what was to be handed over waits then, and is of the day on which it is."""
        self._look_at_flags()
        self._take_draws()
        if not self._waiting and not any(self._served.values()):
            return
        try:
            self._begin_day(day_at(self.store.read([]).now_ms))
        finally:
            self._take()
        batch = _first_of(self._waiting, MOST_HANDED_OVER)
        if batch:
            named = {counter_name(self.key, flag): list(people) for flag, people in batch.items()}
            self.store.expose(self._day, named)
            self._handed_over(batch)

    def _look_at_flags(self) -> None:
        state = self.follower.current.state
        if state is not self._state:
            self._state = state
            keys = [key for key, record in state.records.items() if is_counted(record.flag)]
            names = [key + side for key in keys for side in ("", INSIDE, CONTROL)]
            self._served = {name: self._served.get(name, set()) for name in names}
            self._known = {key: self._known.get(key, set()) for key in keys}

    def _take_draws(self) -> None:
        """Whoever is inside a share goes on to be counted with those who have the flag otherwise."""
        visits, self._visits = self._visits, Counter()
        for name, people in self._served.items():
            flag, colon, side = name.partition(":")
            if colon and people:
                drawn = [people.pop() for _ in range(len(people))]
                self.draws.take(flag, colon + side, drawn, visits[name])
                if colon + side == INSIDE:
                    self._served[flag].update(drawn)
        elsewhere, self._drawn_elsewhere = self._drawn_elsewhere, []
        for report in elsewhere:
            self.draws.report(*report)

    def _take(self) -> None:
        """Whoever finds no place is not counted."""
        room, keyed_hash = MOST_KEPT - _size(self._waiting), cache(keyed_hashing(self.key))
        if _size(self._known) > MOST_KEPT:
            self._known = {}
        for flag, people in self._served.items():
            if ":" in flag:
                continue
            waiting = self._waiting.get(flag, set())
            before = len(waiting)
            self._take_of(people, self._known.setdefault(flag, set()), waiting, before + room, keyed_hash)
            room -= len(waiting) - before
            if waiting:
                self._waiting[flag] = waiting

    def _take_of(
        self, people: set[str], known: set[int], waiting: set[bytes], most: int, keyed_hash: Callable[[str], bytes]
    ) -> None:
        """Taking out one by one loses nobody whom a check puts in meanwhile."""
        while people:
            subject = people.pop()
            mark = hash(subject)
            if mark in known:
                continue
            if len(waiting) < most:
                known.add(mark)
                waiting.add(keyed_hash(subject))
            else:
                self._say_full()

    def _handed_over(self, batch: Hashes) -> None:
        """Flags of which some did not fit come last the next time, so that each has its turn."""
        for flag, people in batch.items():
            left = self._waiting.pop(flag) - people
            if left:
                self._waiting[flag] = left

    def _begin_day(self, day: str) -> None:
        if day != self._day:
            self._day, self._known, self._full = day, {}, False

    def _say_full(self) -> None:
        if not self._full:
            log.warning("more people are served than can be counted today: exposures will be too low")
        self._full = True


def is_counted(flag: Flag) -> bool:
    """What is on for everybody, and always was, counts nobody: who asked would say nothing about the flag."""
    return bool(flag.rollout or flag.audience or flag.rules)


def keyed_hashing(key: bytes) -> Callable[[str], bytes]:
    """HMAC-SHA-256 (RFC 2104), cut. Without the key, of 64 bytes at the most, nobody can tell whose it is, nor try. The
    two blocks that it makes of the key are made once: that is half of what `hmac.digest` costs for each person."""
    block = key.ljust(sha256().block_size, b"\0")
    inner, outer = (bytes(byte ^ pad for byte in block) for pad in (0x36, 0x5C))

    def keyed_hash(subject: str) -> bytes:
        message = subject.encode("utf-8", "surrogatepass")
        return sha256(outer + sha256(inner + message).digest()).digest()[:HASH_BYTES]

    return keyed_hash


def counter_name(key: bytes, flag: str) -> str:
    """Hashes of different keys must not be counted as one."""
    return f"{sha256(b'rollout-subjects:v1' + key).hexdigest()[:12]}/{flag}"


def day_at(now_ms: int) -> str:
    return datetime.fromtimestamp(now_ms / 1000, UTC).date().isoformat()


def _first_of(waiting: Hashes, most: int) -> Hashes:
    """At most so many, each flag's in turn."""
    batch: Hashes = {}
    for flag, people in waiting.items():
        batch[flag] = set(islice(people, most - _size(batch)))
    return {flag: people for flag, people in batch.items() if people}


def _size(people: Mapping[str, Sized]) -> int:
    return sum(map(len, people.values()))
