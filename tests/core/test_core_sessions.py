"""Which sessions are remembered as ended: for as long as they would have lasted, and not without bound."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rollout.core.errors import RefusedByRule
from rollout.core.sessions import LASTS, MOST_ENDED, MOST_OF_ONE, session_id, with_ended

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def many(count: int, whose: str = "") -> dict[str, datetime]:
    return {session_id(whose or f"{number:012}", f"{number:016x}"): NOW + LASTS for number in range(count)}


def test_a_session_is_remembered_until_it_would_be_over() -> None:
    ended = with_ended({}, "a.1", NOW + HOUR, NOW)
    ended = with_ended(ended, "a.2", NOW + LASTS, NOW + HOUR - timedelta(seconds=1))
    assert list(ended) == ["a.1", "a.2"]
    assert list(with_ended(ended, "a.3", NOW + LASTS, NOW + HOUR)) == ["a.2", "a.3"]


def test_ending_it_twice_is_ending_it_once() -> None:
    ended = with_ended({}, "a.1", NOW + HOUR, NOW)
    assert with_ended(ended, "a.1", NOW + HOUR, NOW) == ended


def test_no_more_are_remembered_than_there_is_room_for() -> None:
    with pytest.raises(RefusedByRule, match=f"{MOST_ENDED} sessions"):
        with_ended(many(MOST_ENDED), "a.1", NOW + LASTS, NOW)
    assert len(with_ended(many(MOST_ENDED), "a.1", NOW + LASTS, NOW + LASTS)) == 1


def test_nobody_uses_up_the_room_of_others() -> None:
    full = many(MOST_OF_ONE, "asha")
    with pytest.raises(RefusedByRule, match=f"{MOST_OF_ONE} sessions"):
        with_ended(full, "asha.1", NOW + LASTS, NOW)
    assert "ravi.1" in with_ended(full, "ravi.1", NOW + LASTS, NOW)
