"""Times as the reader's own clock shows them, with its zone named."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


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
