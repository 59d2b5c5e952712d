"""Reads `windows:`, the days and hours of a place in which rollouts may move, and the lists of their names. Whether a
window ever opens follows from what it says, never from today's date: a file that was good yesterday is good today.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TypeAlias
from zoneinfo import ZoneInfo, available_timezones

from rollout.core.errors import InvalidInput
from rollout.core.windows import DAYS, LAST_DAY, LOOK_AHEAD, Window, all_open_at
from rollout.yaml_files.fields import Fields, entries, fields_of, one_of
from rollout.yaml_files.hints import Vocabulary
from rollout.yaml_files.nodes import Node, Scalar, shown
from rollout.yaml_files.notes import Notes
from rollout.yaml_files.scalars import day_of, name, scalar, text
from rollout.yaml_files.scope import Scope

_HOURS_HINT = 'write hours: "09:00-17:00"'
_DATES_HINT = "write 2026-11-08, 2026-10-18..2026-10-24, day 1, or last day"
WINDOW = Vocabulary(
    "a window",
    ("description", "days", "hours", "zone", "avoid"),
    {
        **dict.fromkeys(("from", "start", "begin", "opens", "to", "until", "end", "closes"), _HOURS_HINT),
        **dict.fromkeys(("cron", "schedule", "rrule"), "write 'days' and 'hours'"),
        "dates": "a window has days of the week, and dates to 'avoid'",
    },
)
MOST_AVOIDED = 366

_HOURS = re.compile(r"((?:[01][0-9]|2[0-3]):[0-5][0-9])-((?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00)")
_DAY_OF_MONTH = re.compile(r"day ([1-9]|[12][0-9]|3[01])")
_OFFSET = re.compile(r"(?:UTC|GMT|Z)? ?[-+][0-9]{1,2}.*", re.IGNORECASE)
_ABBREVIATION = re.compile(r"[A-Za-z]{2,4}")
_OF_NO_PLACE = frozenset({"localtime", "Factory"})  # what this machine says, and what no machine was told
_DAY_HINTS = {
    "weekdays": "write days: [mon, tue, wed, thu, fri]",
    "weekend": "write days: [sat, sun]",
    "weekends": "write days: [sat, sun]",
}
_ZONE_HINTS = {
    "ist": "write Asia/Kolkata for India",
    **dict.fromkeys(("india", "delhi", "mumbai", "bangalore", "chennai", "hyderabad"), "write Asia/Kolkata"),
    "local": "name the place, such as Asia/Kolkata: servers may stand elsewhere",
}
_SOME_YEAR = datetime(2024, 1, 1, tzinfo=UTC)  # a leap year, so that it has every day there is

Dates: TypeAlias = tuple[date, date]
"""From and to, both included."""


def read_windows(node: Node | None, notes: Notes) -> dict[str, Window | None]:
    """None where a window has a problem."""
    return {key.text: _window(key, value, notes) for key, value in entries(node, "windows", notes)}


def _window(key: Scalar, node: Node, notes: Notes) -> Window | None:
    notes.attempt(name, key, None)
    notes.place(f"windows.{key.text}", key)
    fields = fields_of(node, WINDOW, key, notes)
    days = fields.list_of("days", _day_of_week, some=True)
    opens, closes = fields.read("hours", _hours, (time(0, 0), None))
    zone = fields.required("zone", lambda word: _zone(word, notes), None, "such as zone: Asia/Kolkata")
    avoided = [_avoided(written) for written in _avoid(fields)]
    window = Window(
        name=key.text,
        description=fields.required("description", text, "", "say in a sentence when it is, and why"),
        zone=zone or "UTC",
        days=tuple(name for name in DAYS if name in days) or DAYS,
        opens=opens,
        closes=closes,
        avoid=_merged(dates for dates in avoided if isinstance(dates, tuple)),
        avoid_month_days=tuple(sorted(number for number in avoided if isinstance(number, int))),
    )
    if zone is None:
        return None
    trouble = _never_opens(window)
    if trouble:
        notes.error(key, f"window '{shown(key.text)}' {trouble}", "avoid less, or name more days")
        return None
    return window


def _day_of_week(node: Node) -> str:
    word = scalar(node).text
    folded = word.casefold()
    if folded in _DAY_HINTS:
        raise InvalidInput(f"'{word}' is not a day", _DAY_HINTS[folded])
    if word not in DAYS and folded.isalpha() and folded[:3] in DAYS:
        raise InvalidInput(f"'{shown(word)}' is not known here", f"write {folded[:3]}")
    return one_of(DAYS)(node)


def _hours(node: Node) -> tuple[time, time | None]:
    """When it opens, and when it closes; None: at midnight."""
    word = scalar(node).text
    found = _HOURS.fullmatch(word)
    if found is None:
        raise InvalidInput(f"'{shown(word)}' are not hours", 'write "09:00-17:00"; midnight at the end is 24:00')
    opens = time.fromisoformat(found[1])
    closes = None if found[2] == "24:00" else time.fromisoformat(found[2])
    if closes is not None and closes <= opens:
        raise InvalidInput(f"{word} ends before it begins", "hours lie within one day, up to 24:00")
    return opens, closes


def _zone(node: Node, notes: Notes) -> str:
    word = scalar(node).text
    if word in _zones():
        return word
    raise InvalidInput(f"no time zone called '{shown(word)}'", _zone_hint(word, notes))


def _zone_hint(word: str, notes: Notes) -> str:
    place = word.rpartition("/")[2].casefold().replace(" ", "_")
    if place in _ZONE_HINTS:
        return _ZONE_HINTS[place]
    if _OFFSET.fullmatch(word):
        return "write a place, such as Asia/Kolkata: an offset does not know when clocks change"
    if _ABBREVIATION.fullmatch(word):
        return "write a place, such as Asia/Kolkata: several zones share an abbreviation"
    there = next((zone for zone in sorted(_zones()) if zone.rpartition("/")[2].casefold() == place), None)
    if there:
        return f"did you mean '{there}'?"
    return notes.suggest(word, _zones()) or "write a place of the IANA list, such as Asia/Kolkata"


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - _OF_NO_PLACE)


def _avoid(fields: Fields) -> tuple[str, ...]:
    written = fields.list_of("avoid", _avoidable)
    if len(written) > MOST_AVOIDED:
        fields.notes.error(fields.place("avoid"), f"more than {MOST_AVOIDED} dates", "take those out that are over")
    return written[:MOST_AVOIDED]


def _avoidable(node: Node) -> str:
    """The entry as it is written, when it can be read."""
    word = scalar(node).text
    _avoided(word)
    return word


def _avoided(word: str) -> Dates | int:
    """What an entry of `avoid` stands for: dates, or a day of every month."""
    if word == "last day":
        return LAST_DAY
    monthly = _DAY_OF_MONTH.fullmatch(word)
    if monthly:
        return int(monthly[1])
    first, dots, last = word.partition("..")
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", first) or (dots and not last):
        raise InvalidInput(f"'{shown(word)}' is no date to avoid", _DATES_HINT)
    dates = _date(first), _date(last if dots else first)
    if dates[1] < dates[0]:
        raise InvalidInput(f"{word} ends before it begins", "write the earlier date first")
    return dates


def _date(word: str) -> date:
    found = day_of(word)
    if not 2000 <= found.year <= 2999:
        raise InvalidInput(f"nobody rolls out in the year {found.year:04d}", "write a date from 2000 to 2999")
    return found


def _merged(spans: Iterator[Dates]) -> tuple[Dates, ...]:
    """The same dates in order, none of them twice, so that two ways of writing them are one window."""
    merged: list[Dates] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1] + timedelta(days=1):
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)


def _never_opens(window: Window) -> str | None:
    """What is wrong with a window that stays shut for about a year: always, or from a date on that it avoids."""
    if replace(window, avoid=()).opens_at(_SOME_YEAR) is None:
        return "does not open within a year"
    seen_until = datetime.min.replace(tzinfo=UTC)
    for first, _ in window.avoid:
        start = datetime.combine(first, time(0, 0), ZoneInfo(window.zone))
        if start < seen_until:
            continue
        opening = replace(window, avoid=_near(window.avoid, first)).opens_at(start)
        if opening is None:
            return f"does not open for a year from {first}"
        seen_until = opening
    return None


def _near(avoid: Sequence[Dates], day_one: date) -> tuple[Dates, ...]:
    """Those that matter from this day on: a long list would be gone through for each of its own entries."""
    horizon = day_one + LOOK_AHEAD
    return tuple(dates for dates in avoid if dates[1] >= day_one and dates[0] <= horizon)


def windows_named(fields: Fields, scope: Scope) -> tuple[str, ...]:
    """The windows that a rollout or a plan keeps to. They have to be open together."""
    names = fields.list_of("windows", scope.window)
    windows = tuple(window for name in names if (window := scope.windows[name]))
    if len(windows) > 1 and not _meet(windows):
        said = f"{', '.join(names)} are not open together within a year"
        fields.notes.error(fields.place("windows"), said, "a stage begins only while all of them are open")
    return names


@lru_cache(maxsize=256)
def _meet(windows: tuple[Window, ...]) -> bool:
    """Leaving single dates out of account: what those shut out one year they may let in the next."""
    return all_open_at([replace(window, avoid=()) for window in windows], _SOME_YEAR) is not None
