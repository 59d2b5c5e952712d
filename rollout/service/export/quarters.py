"""Quarters of a year, in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rollout.core.documents import instant_text
from rollout.core.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Quarter:
    year: int
    number: int  # 1 to 4

    def __str__(self) -> str:
        return f"{self.year}Q{self.number}"

    @property
    def begins(self) -> datetime:
        return datetime(self.year, 3 * self.number - 2, 1, tzinfo=UTC)

    @property
    def ends(self) -> datetime:
        """The first moment that is no longer in it."""
        return Quarter(self.year + self.number // 4, self.number % 4 + 1).begins

    @property
    def days(self) -> list[str]:
        count = (self.ends - self.begins).days
        return [(self.begins + timedelta(days=day)).date().isoformat() for day in range(count)]

    def place(self, at: str) -> int:
        """-1 for an entry's time before it, 0 for one in it, 1 for one after it."""
        return -1 if at < instant_text(self.begins) else 0 if at < instant_text(self.ends) else 1


def read_quarter(text: str) -> Quarter:
    """Raises InvalidInput."""
    found = re.fullmatch(r"([12][0-9]{3})-?[Qq]([1-4])", text.strip())
    if not found:
        raise InvalidInput(f"{text!r} is not a quarter", "write the year and Q1 to Q4, as in 2018Q1")
    return Quarter(int(found[1]), int(found[2]))
