"""Sessions that ended before their time. A session is a signed cookie, of which nobody keeps a list; what is kept is
which ones were logged out of, and each only for as long as it would have lasted.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypeAlias

from rollout.core.errors import RefusedByRule

LASTS = timedelta(hours=12)
"""How long a session lasts that nobody ends."""

MOST_ENDED = 1000
MOST_OF_ONE = 50  # person; so that nobody uses up the room of all

Ended: TypeAlias = Mapping[str, datetime]
"""By the session's id, "<whose it is>.<16 hexadecimal digits>": until when it is to be remembered."""


def session_id(whose: str, number: str) -> str:
    return f"{whose}.{number}"


def with_ended(ended: Ended, session: str, until: datetime, now: datetime) -> Ended:
    """And this one, without those that would be over by now. Raises RefusedByRule where there are too many."""
    left = {known: end for known, end in ended.items() if now < end}
    whose = session.partition(".")[0]
    theirs = sum(known.partition(".")[0] == whose for known in left)
    if session not in left and (len(left) >= MOST_ENDED or theirs >= MOST_OF_ONE):
        hours = LASTS // timedelta(hours=1)
        raise RefusedByRule(
            f"{theirs if theirs >= MOST_OF_ONE else len(left)} sessions were logged out of within {hours} hours, and "
            "no more are remembered",
            "where somebody may have copied one, revoke its key",
        )
    return {**left, session: until}
