"""Times as the reader's own clock shows them, with its zone named, and how long it is until or since then."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
SHOWN = 2  # units of a length of time: nobody needs the seconds of three days


def now_of(document: Mapping[str, Any]) -> datetime:
    """The moment that a document is from, on the store's clock; on ours where it does not say."""
    at = document.get("at")
    return datetime.fromisoformat(at) if at else datetime.now(UTC)


def instant_words(text: str) -> str:
    """To the second: "2026-03-01 12:03:04 UTC"."""
    return f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d %H:%M:%S %Z}"


def day_words(text: str, now: datetime) -> str:
    """ "Mon 30 Nov 09:00 IST", with the year where it is another one."""
    at = datetime.fromisoformat(text).astimezone()
    year = f" {at.year}" if at.year != now.astimezone().year else ""
    return f"{at:%a} {at.day} {at:%b}{year} {at:%H:%M %Z}"


def coming_in(text: str, now: datetime) -> str:
    """ "in 3d 4h"; "now" for what is past."""
    left = datetime.fromisoformat(text) - now
    return f"in {span_words(left)}" if left > timedelta(0) else "now"


def ago(text: str, now: datetime) -> str:
    """ "7d ago"; "just now"."""
    passed = now - datetime.fromisoformat(text)
    return f"{span_words(passed)} ago" if passed >= timedelta(seconds=1) else "just now"


def span_words(span: timedelta) -> str:
    """ "3d 4h", "4h 12m", "45s": its two largest units. Less than a second counts as one."""
    left = max(round(span.total_seconds()), 1)
    parts = []
    for unit, seconds in _UNITS.items():
        amount, left = divmod(left, seconds)
        parts.append((amount, unit))
    while parts[0][0] == 0:
        parts.pop(0)
    return " ".join(f"{amount}{unit}" for amount, unit in parts[:SHOWN] if amount)
