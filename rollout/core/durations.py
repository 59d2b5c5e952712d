"""Lengths of time as people write them, always with their unit: 30s, 10m, 24h, 7d, 2w, or several together: 1d12h."""

from __future__ import annotations

import re
from datetime import timedelta

from rollout.core.errors import InvalidInput

_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_WRITTEN = re.compile(r"(?:(\d{1,6})w)?(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9})s)?", re.ASCII)


def parse_duration(text: str) -> timedelta:
    """Reads "7d" or "1d12h". Raises InvalidInput for anything else, with the unit that is missing."""
    found = _WRITTEN.fullmatch(text.strip()) if isinstance(text, str) and text.strip() else None
    if found is None:
        number = str(text).strip()
        hint = (
            f"write {number}s, {number}m, {number}h or {number}d"
            if re.fullmatch("[0-9]+", number)
            else "write 30s, 10m, 24h or 7d"
        )
        raise InvalidInput(f"{text!r} is not a length of time", hint)
    amounts = (int(amount or 0) for amount in found.groups())
    return timedelta(seconds=sum(amount * unit for amount, unit in zip(amounts, _SECONDS.values(), strict=True)))


def format_duration(span: timedelta) -> str:
    """The shortest writing that reads back as the same span, in whole seconds: "7d", "1d12h", "0s"."""
    left = int(span.total_seconds())
    parts = []
    for unit, seconds in _SECONDS.items():
        if unit == "w":
            continue  # 14d is how people say it
        amount, left = divmod(left, seconds)
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts) or "0s"
