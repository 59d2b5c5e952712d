"""Outcomes counted in memory, by the same rules as count.lua: each intent once in an hour at the least, in the minute
of the clock, in a bounded number of fields. Nothing here is locked: the store around it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from rollout.core.outcomes import FOLDED, is_grouped
from rollout.service.ports import COUNTS_KEPT, GROUPS_UNTIL, INTENTS_KEPT, MOST_FIELDS, Counted

MINUTE_MS = 60_000
GENERATION_MS = INTENTS_KEPT // timedelta(milliseconds=2)  # two whole ones and the one that is running are kept


class MemoryCounts:
    def __init__(self) -> None:
        self._intents: dict[int, set[int]] = {}  # generation -> fingerprints
        self._minutes: dict[tuple[str, int], dict[str, int]] = {}  # flag and minute -> field -> count

    def count(self, items: Sequence[Counted], now_ms: int) -> int:
        self._forget(now_ms)
        generation, minute = now_ms // GENERATION_MS, now_ms // MINUTE_MS
        new = [item for item in items if self._is_new(item.fingerprint, generation)]
        for item in new:
            counts = self._minutes.setdefault((item.flag, minute), {})
            for wanted in item.fields:
                field = _place(counts, wanted)
                counts[field] = counts.get(field, 0) + item.amount
        return len(new)

    def between(self, flag: str, first_minute: int, last_minute: int) -> Mapping[int, Mapping[str, int]]:
        return {
            minute: dict(counts)
            for (counted, minute), counts in self._minutes.items()
            if counted == flag and first_minute <= minute <= last_minute
        }

    def _is_new(self, fingerprint: int, generation: int) -> bool:
        """And remembers it."""
        if any(fingerprint in known for known in self._intents.values()):
            return False
        self._intents.setdefault(generation, set()).add(fingerprint)
        return True

    def _forget(self, now_ms: int) -> None:
        oldest_generation = now_ms // GENERATION_MS - 2
        oldest_minute = (now_ms - COUNTS_KEPT // timedelta(milliseconds=1)) // MINUTE_MS
        self._intents = {at: known for at, known in self._intents.items() if at >= oldest_generation}
        self._minutes = {key: counts for key, counts in self._minutes.items() if key[1] >= oldest_minute}


def _place(counts: Mapping[str, int], field: str) -> str:
    """Under which name to count what should be counted under `field`."""
    most = GROUPS_UNTIL if is_grouped(field) else MOST_FIELDS - 1
    return field if field in counts or len(counts) < most else FOLDED
