"""How long it is until or since something, in words."""

from __future__ import annotations

from datetime import datetime, timedelta

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
SHOWN = 2  # units of a length of time: nobody needs the seconds of three days


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
