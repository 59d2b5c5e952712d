"""Versions of apps, compared leniently: a leading v is ignored, 8.2 = 8.2.0, up to four numbers, what follows + is
ignored, and a pre-release comes before its release (8.2.0-beta.2 < 8.2.0-beta.10 < 8.2.0), ordered as in Semantic
Versioning 2.0.0, section 11.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TypeAlias

from rollout.core.errors import InvalidInput

VersionKey: TypeAlias = tuple[tuple[int, ...], int, tuple[tuple[int, int, str], ...]]
"""Compares as versions do: (four numbers, 1 for a release and 0 before one, the pre-release's parts)."""

_WRITTEN = re.compile(r"[vV]?(\d{1,9}(?:\.\d{1,9}){0,3})(?:-([0-9A-Za-z.-]{1,64}))?(?:\+[0-9A-Za-z.-]{0,64})?")


@lru_cache(maxsize=4096)  # people run few versions of an app, so nearly every check finds its own here
def version_key(text: str) -> VersionKey:
    """What to compare a version by. Raises InvalidInput when `text` is not a version."""
    found = _WRITTEN.fullmatch(text)
    if found is None or not text.isascii():
        raise InvalidInput(f"{text!r} is not a version", "write numbers with points between, such as 2.18.9")
    numbers = [int(number) for number in found[1].split(".")]
    numbers += [0] * (4 - len(numbers))
    if found[2] is None:
        return tuple(numbers), 1, ()
    return tuple(numbers), 0, tuple(_part(part) for part in found[2].split("."))


def _part(part: str) -> tuple[int, int, str]:
    """Numbers come before words, and compare as numbers."""
    return (0, int(part), "") if part.isdigit() else (1, 0, part)
