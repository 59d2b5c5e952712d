"""Moments as people write them: what is clear is read, and whatever might be another moment is refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from rollout.core.errors import InvalidInput
from rollout.service.moments import read_moment

NOW = datetime(2018, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2018-02-13 18:00 IST", "2018-02-13T12:30:00"),
        ("2018-02-13 18:00 ist", "2018-02-13T12:30:00"),
        ("2018-02-13 18:00 Asia/Kolkata", "2018-02-13T12:30:00"),
        ("2018-02-13T18:00:00+05:30", "2018-02-13T12:30:00"),
        ("2018-02-13T18:00:00.250Z", "2018-02-13T18:00:00.250000"),
        ("2018-02-13 18:00 UTC", "2018-02-13T18:00:00"),
        ("2018-02-13 18:00 -0330", "2018-02-13T21:30:00"),
        ("2018-07-01 12:00 Europe/Amsterdam", "2018-07-01T10:00:00"),
        ("2018-01-01 12:00 Europe/Amsterdam", "2018-01-01T11:00:00"),
        ("2h ago", "2018-11-20T10:00:00"),
        ("1d 12h ago", "2018-11-19T00:00:00"),
        (" now ", "2018-11-20T12:00:00"),
    ],
)
def test_these_are_moments(text: str, moment: str) -> None:
    assert read_moment(text, NOW) == datetime.fromisoformat(moment).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2018-02-13 18:00", "does not say in which zone"),
        ("2018-02-13", "is a whole day; say when"),
        ("2018-02-13 18:00 CST", "may be more than one zone"),
        ("2018-02-13 18:00 Europe/Atlantis", "no zone is called"),
        ("2018-02-13 18:00 Europe/../../etc/passwd", "zone"),
        ("2018-02-13T18:00:00 05:30", "in a URL a \\+ is written %2B"),
        ("2018-02-13 18:00 +24:00", "further from UTC than any place"),
        ("2018-03-25 02:30 Europe/Amsterdam", "never showed 2018-03-25 02:30; they went on then: is 03:30 meant"),
        ("2018-10-28 02:30 Europe/Amsterdam", "twice; write 2018-10-28 02:30 \\+0200 or 2018-10-28 02:30 \\+0100"),
        ("2018-02-30 18:00 UTC", "is in no calendar"),
        ("0001-01-01 00:00 +23:00", "is in no calendar"),
        ("999999w ago", "before any calendar"),
        ("2019-01-01 00:00 UTC", "is still to come; it is 2018-11-20 12:00:00 UTC now"),
        ("Tuesday at six", "is not a moment"),
        ("2 ago", "is not a length of time"),
        ("", "is not a moment"),
        ("२०१८-02-13 18:00 UTC", "is not a moment"),
    ],
)
def test_these_are_not(text: str, says: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_moment(text, NOW)
    assert re.search(says, f"{refused.value.message}; {refused.value.hint}")
