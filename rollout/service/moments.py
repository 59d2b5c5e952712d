"""Moments as people write them: RFC 3339, "2018-02-13 18:00 IST", "2018-02-13 18:00 Europe/Amsterdam", "2h ago", "now".
A moment always has its zone: nobody knows whose six o'clock is meant otherwise. What may mean two moments, or none, is
refused with what would be right.

Of abbreviations only UTC, GMT and IST are read, IST as India's. Nearly all others are used by several places (CST by
three), or for half of the year.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rollout.core.durations import parse_duration
from rollout.core.errors import InvalidInput

ABBREVIATIONS = {"Z": "UTC", "UTC": "UTC", "GMT": "UTC", "IST": "Asia/Kolkata"}

_WRITTEN = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)(?:[Tt ]+(?P<clock>\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?))?\s*(?P<zone>.{0,64})", re.ASCII
)
_OFFSET = re.compile(r"(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>[0-5]\d)", re.ASCII)
_ZONE_NAME = re.compile(r"[A-Za-z]+(?:/[A-Za-z0-9_+-]+)+", re.ASCII)
_AGO = re.compile(r"(?P<span>[0-9a-z ]{1,40}?)\s*ago")
_LOST_PLUS = re.compile(r"\d\d:\d\d", re.ASCII)

RIGHT = "write 2018-02-13T18:00:00+05:30, 2018-02-13 18:00 Asia/Kolkata, or 2h ago"


def read_moment(text: str, now: datetime) -> datetime:
    """A moment that is not after `now`, in UTC. Raises InvalidInput."""
    written = text.strip()
    moment = _relative(written, now) or _absolute(written)
    if moment > now:
        raise InvalidInput(f"{written} is still to come", f"it is {now.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC now")
    return moment


def _relative(text: str, now: datetime) -> datetime | None:
    if text == "now":
        return now
    found = _AGO.fullmatch(text)
    if found is None:
        return None
    try:
        return now - parse_duration(found["span"].replace(" ", ""))
    except OverflowError:
        raise InvalidInput(f"{text} is before any calendar", RIGHT) from None


def _absolute(text: str) -> datetime:
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise InvalidInput(f"{text[:60]!a} is not a moment", RIGHT)
    if found["clock"] is None:
        raise InvalidInput(f"{found['day']} is a whole day", f"say when: {found['day']} 18:00 UTC")
    zone = _zone(found["zone"], text)
    try:
        local = datetime.fromisoformat(f"{found['day']}T{found['clock']}")
        return _only_one(local, zone, found["zone"]).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(f"{text} is in no calendar", RIGHT) from None


def _zone(name: str, text: str) -> tzinfo:
    offset = _OFFSET.fullmatch(name)
    if offset is not None:
        span = timedelta(hours=int(offset["hours"]), minutes=int(offset["minutes"]))
        if span >= timedelta(hours=24):
            raise InvalidInput(f"{name} is further from UTC than any place", "write +05:30")
        return timezone(-span if offset["sign"] == "-" else span)
    if not name:
        raise InvalidInput(f"{text} does not say in which zone", f"write {text} UTC, or {text} Asia/Kolkata")
    if _LOST_PLUS.fullmatch(name):
        raise InvalidInput(f"{text} has no sign before {name}", "in a URL a + is written %2B")
    return _named(name)


def _named(name: str) -> tzinfo:
    known = ABBREVIATIONS.get(name.upper(), name)
    if known == "UTC":
        return UTC
    if not _ZONE_NAME.fullmatch(known):
        hint = (
            f"write a place such as Europe/Amsterdam, an offset such as +01:00, or {', '.join(list(ABBREVIATIONS)[1:])}"
        )
        raise InvalidInput(f"{name!a} may be more than one zone, or none", hint)
    try:
        return ZoneInfo(known)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput(f"no zone is called {name}", "zones are named as Asia/Kolkata or Europe/Amsterdam") from None


def _only_one(local: datetime, zone: tzinfo, name: str) -> datetime:
    """This time on the clocks of a zone, which some hours of the year show twice or never. Raises InvalidInput."""
    first, second = local.replace(tzinfo=zone, fold=0), local.replace(tzinfo=zone, fold=1)
    if first.utcoffset() == second.utcoffset():
        return first
    shown = f"{local:%Y-%m-%d %H:%M}"
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local:
        later = first.astimezone(UTC).astimezone(zone)
        raise InvalidInput(f"clocks in {name} never showed {shown}", f"they went on then: is {later:%H:%M} meant?")
    offsets = " or ".join(f"{shown} {one:%z}" for one in (first, second))
    raise InvalidInput(f"clocks in {name} showed {shown} twice", f"write {offsets}")
