"""Shares: how much of an audience is admitted, exact inside, "1%" at the edges. 0.01 is not a share: was 1 % meant, or
a hundredth of one?
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from rollout.core.errors import InvalidInput

HASHES = 2**32
_WRITTEN = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,8}))?%")


@dataclass(frozen=True, slots=True, order=True)
class Share:
    """A part of an audience, from nobody to everybody. `percent` is exact."""

    percent: Fraction

    @classmethod
    def parse(cls, text: str) -> Share:
        """Reads "1%" or "0.0001%". Raises InvalidInput for anything else: without a unit, below 0, above 100."""
        if not isinstance(text, str):
            raise InvalidInput(f"{text!r} is not a percentage", _hint(str(text).strip()))
        return _parsed(text)

    @property
    def threshold(self) -> int:
        """Hashes below this many of 2³² are admitted, rounded up so that any share above 0 admits some hash."""
        return -(-self.percent.numerator * HASHES // (self.percent.denominator * 100))

    def reaches(self, other: Share) -> bool:
        """`self >= other`, in a tenth of the time: where rollouts stand is asked of all flags at once."""
        mine, its = self.percent, other.percent
        return mine.numerator * its.denominator >= its.numerator * mine.denominator

    def __str__(self) -> str:
        whole, rest = divmod(self.percent, 1)
        if not rest:
            return f"{whole}%"
        return f"{whole}.{int(rest * 10**8):08d}".rstrip("0") + "%"


@lru_cache(1024)  # ten thousand flags have a few dozen shares, and reading one exactly takes a while
def _parsed(text: str) -> Share:
    if _WRITTEN.fullmatch(text.strip()) is None:
        raise InvalidInput(f"{text!r} is not a percentage", _hint(text.strip()))
    share = Share(Fraction(text.strip()[:-1]))
    if share.percent > 100:
        raise InvalidInput(f"{text.strip()} is more than 100%", "write a percentage from 0% to 100%")
    return share


NOBODY = Share(Fraction(0))
EVERYBODY = Share(Fraction(100))


def _hint(text: str) -> str:
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return f"write {text}%" if Fraction(text) <= 100 else "write a percentage from 0% to 100%"
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?\s+%", text):
        return f"write {text.replace(' ', '')}"
    if re.fullmatch(r"[0-9]+\.[0-9]{9,}%", text):
        return "at most eight digits after the point"
    if text.startswith("-") or re.fullmatch(r"[0-9]{4,}(\.[0-9]+)?%", text):
        return "write a percentage from 0% to 100%"
    return "write it with its unit, such as 1% or 0.5%"
