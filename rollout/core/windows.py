"""Windows: when a rollout may move, by the calendar and the clock of a place. Stages begin only inside; halting and
lowering work always.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LAST_DAY = 0
"""In `avoid_month_days`: the last day of a month, whichever that is."""

LOOK_AHEAD = timedelta(days=400)
"""How far `opens_at` looks for a day on which the window opens."""


@dataclass(frozen=True, slots=True)
class Window:
    name: str
    description: str
    zone: str  # an IANA name, such as Asia/Kolkata
    days: tuple[str, ...] = DAYS
    opens: time = time(0, 0)
    closes: time | None = None  # None: at midnight
    avoid: tuple[tuple[date, date], ...] = ()  # from and to, both included
    avoid_month_days: tuple[int, ...] = ()  # 1 to 31, or LAST_DAY

    def is_open(self, at: datetime) -> bool:
        local = at.astimezone(ZoneInfo(self.zone))
        return self._open_on(local.date()) and self._within(local.timetz().replace(tzinfo=None))

    def opens_at(self, at: datetime) -> datetime | None:
        """The first moment from `at` on when it is open, in its own zone; None when that is more than a year away."""
        local = at.astimezone(ZoneInfo(self.zone))
        if self.is_open(local):
            return local
        for day in _days_from(local.date()):
            opening = datetime.combine(day, self.opens, ZoneInfo(self.zone))
            if self._open_on(day) and opening >= local:
                return opening
        return None

    def _within(self, clock: time) -> bool:
        return self.opens <= clock and (self.closes is None or clock < self.closes)

    def _open_on(self, day: date) -> bool:
        if DAYS[day.weekday()] not in self.days:
            return False
        if any(first <= day <= last for first, last in self.avoid):
            return False
        last_of_month = (day + timedelta(days=1)).month != day.month
        return day.day not in self.avoid_month_days and not (last_of_month and LAST_DAY in self.avoid_month_days)


def all_open_at(windows: Sequence[Window], at: datetime) -> datetime | None:
    """The first moment from `at` on when every window is open; None when there is none within about a year."""
    moment: datetime | None = at
    last = at + LOOK_AHEAD
    while moment is not None and moment <= last:
        later = moment
        for window in windows:
            opening = window.opens_at(later)
            if opening is None:
                return None
            later = opening
        if later == moment:
            return moment
        moment = later
    return None


def _days_from(first: date) -> Iterator[date]:
    for number in range(LOOK_AHEAD.days):
        yield first + timedelta(days=number)
