"""Outcomes: what became of the things that people did with a flag, such as a transfer that went through or failed. An
outcome is counted under names that say all that guards ask of it, and its intent has a fingerprint by which it is known
again: the first terminal outcome of an intent counts, retries do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b

SEPARATOR = "\x1f"
"""Between the parts of a field's name: no name, value or class can have it."""

SUCCESS = ""
UNNAMED_FAILURE = "failed"
OTHERS = "*"
"""Instead of the metrics and the classes of failure that the file does not know, once there are many; none can be
called so."""

FOLDED = "folded"
"""The field that counts what had no place of its own once there were too many fields."""


class Side(StrEnum):
    """Who reported it: somebody who has the flag, somebody who has not, or a drill."""

    ON = "on"
    CONTROL = "control"
    DRILL = "drill"


@dataclass(frozen=True, slots=True)
class Outcome:
    """All of an outcome that is counted."""

    flag: str
    metric: str
    side: Side
    failure: str = SUCCESS  # the class of failure; SUCCESS where it went well
    failure_in_groups: str = SUCCESS  # the same, or OTHERS where no guard tells it from others
    groups: tuple[str, ...] = ()  # "bank=SBI": each is counted on its own, besides the total

    @property
    def fields(self) -> tuple[str, ...]:
        """The names under which it is counted: the total first."""
        total = Field(self.metric, self.side, "", self.failure)
        groups = (Field(self.metric, self.side, group, self.failure_in_groups) for group in self.groups)
        return tuple(field.name for field in (total, *groups))


@dataclass(frozen=True, slots=True)
class Field:
    """What one counter counts."""

    metric: str
    side: Side
    group: str  # "" for all together, else "bank=SBI"
    failure: str  # SUCCESS or a class of failure

    @property
    def name(self) -> str:
        return SEPARATOR.join((self.metric, self.side, self.group, self.failure))


def read_field(name: str) -> Field | None:
    """The field of this name; None for FOLDED, and for a name that is none of ours."""
    parts = name.split(SEPARATOR)
    if len(parts) != 4 or parts[1] not in _SIDES:
        return None
    metric, side, group, failure = parts
    return Field(metric, Side(side), group, failure)


def read_counts(counts: Mapping[str, int]) -> tuple[dict[Field, int], int]:
    """One minute's counters, and how many increments had no place of their own. Where that is not 0, failures may be
    missing from groups that look healthy."""
    fields = {field: count for name, count in counts.items() if (field := read_field(name))}
    return fields, counts.get(FOLDED, 0)


def is_grouped(name: str) -> bool:
    """Whether a field of this name is of a group, and not of the total."""
    parts = name.split(SEPARATOR)
    return len(parts) == 4 and parts[2] != ""


def group_name(attribute: str, value: str) -> str:
    return f"{attribute}={value}"


def fingerprint(flag: str, metric: str, intent: str) -> int:
    """By which an intent is known again: 64 bits, signed. At 3,000 a second, with those of 90 minutes remembered, one
    is taken for another by chance about every twelve years."""
    text = f"{flag}{SEPARATOR}{metric}{SEPARATOR}{intent}"
    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "big", signed=True)


_SIDES = frozenset(Side)
