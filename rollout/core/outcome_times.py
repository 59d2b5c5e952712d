"""When an outcome may have happened: not so long ago that the rollout has moved on since, and not in the future, which
says that a clock is wrong.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from rollout.core.durations import format_duration
from rollout.core.errors import InvalidInput
from rollout.core.outcome_cautions import shown

MAX_AGE = timedelta(minutes=15)
CLOCK_DIFFERENCE = timedelta(seconds=60)  # how far a sender's clock may be ahead

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_OLDEST = datetime(1970, 1, 1, tzinfo=UTC)


class TooLate(InvalidInput):
    code = "too_late"


class FromTheFuture(InvalidInput):
    code = "from_the_future"


def check_time(at: object, now: datetime) -> None:
    """Raises InvalidInput for what is no time, TooLate, FromTheFuture."""
    if not isinstance(at, str) or not _RFC3339.fullmatch(at):
        raise InvalidInput(f"at: {shown(at)} cannot be", "send a time with its zone, such as 2024-01-31T18:00:00Z")
    try:
        happened = datetime.fromisoformat(at.upper())
        age = now - happened
    except (ValueError, OverflowError):
        raise InvalidInput(f"at: there is no such time as {shown(at)}", "send 2024-01-31T18:00:00Z") from None
    if age > MAX_AGE:
        raise _too_late(happened, age)
    if -age > CLOCK_DIFFERENCE:
        raise FromTheFuture(
            f"at: {at} is {format_duration(-age)} from now",
            f"set the clock of who sends it; {format_duration(CLOCK_DIFFERENCE)} of difference is all right",
        )


def _too_late(happened: datetime, age: timedelta) -> InvalidInput:
    if happened < _OLDEST:
        return InvalidInput(f"at: {happened.isoformat()} is before 1970", "send the time at which it happened")
    return TooLate(
        f"at: it happened {format_duration(age)} ago", f"report within {format_duration(MAX_AGE)} of when it happened"
    )
