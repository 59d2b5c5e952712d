"""The end of a day: how many people each flag was served to becomes an entry of the audit, written by one server, and
what it was counted with is forgotten. Counts are about 1 % off.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from rollout.core.audit import Actor
from rollout.core.documents import Document
from rollout.service.exposures import day_at
from rollout.service.operations import Operations, Request
from rollout.service.ports import EXPOSED_KEPT, FlagStore

ACTION = "exposed"
SETTLED = timedelta(minutes=10)  # after midnight, when all servers have handed over what they served before it
CLAIMED = timedelta(minutes=1)
DAYS_BACK = EXPOSED_KEPT // timedelta(days=1) - 1  # also what was counted before a service stopped for some days


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DayCount:
    """`keys`: how many different keys servers hashed with. Where it is more than one, whoever was served by servers
    with different keys counts once for each."""

    people: Mapping[str, int]  # flag -> about how many
    keys: int


def note_days(store: FlagStore, operations: Operations, server: str) -> list[str]:
    """Writes down the days that are over, and says which. Raises StoreUnavailable, RevisionConflict."""
    now_ms = store.read([]).now_ms - SETTLED // timedelta(milliseconds=1)
    days = [day_at(now_ms - ago * 86_400_000) for ago in range(DAYS_BACK, 0, -1)]
    noted = []
    for day in days:
        counted = day_count(store.exposed(day))
        if not counted.people or not store.claim(f"exposed:{day}", CLAIMED):
            continue
        if counted.keys > 1:
            log.warning(
                "people of %s were hashed with %s keys: give all servers the same subjects.key", day, counted.keys
            )
        about = {"day": day, "people": dict(sorted(counted.people.items())), "keys": counted.keys}
        operations.note(ACTION, Request(Actor("controller", "controller", server, "rollout serve")), about)
        store.forget_exposed(day)
        noted.append(day)
    return noted


def day_count(counters: Mapping[str, int]) -> DayCount:
    """Of counters by their names: see `exposures.counter_name`."""
    people: dict[str, int] = defaultdict(int)
    keys = set()
    for name, count in counters.items():
        key, _, flag = name.partition("/")
        keys.add(key)
        people[flag] += count
    return DayCount(people, len(keys))


def counted_days(entries: Iterable[Document], days: Iterable[str]) -> Mapping[str, DayCount]:
    """What entries say of these days. Where a day has two entries, the greater number counts: the other is of those
    who were handed over too late, or was written again after a crash."""
    wanted, found = set(days), dict[str, DayCount]()
    for entry in entries:
        about = entry["after"]
        if entry["action"] != ACTION or about["day"] not in wanted:
            continue
        before = found.get(about["day"], DayCount({}, 1))
        flags = {*about["people"], *before.people}
        people = {flag: max(about["people"].get(flag, 0), before.people.get(flag, 0)) for flag in flags}
        found[about["day"]] = DayCount(people, max(about["keys"], before.keys))
    return found
