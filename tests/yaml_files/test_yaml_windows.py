"""Windows as the file writes them: when they are open, who keeps to them, and which can never help anybody."""

from __future__ import annotations

import time as clock
import zoneinfo
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yaml_corpus import CORPUS, read

from rollout.core.documents import read_shared, shared_document
from rollout.core.errors import InvalidFile
from rollout.core.progress import Progress, State
from rollout.core.progression import Enter, Hold, Moment, Verdict, decide
from rollout.core.windows import DAYS, LAST_DAY, Window

GOOD = CORPUS / "good" / "every-window.yaml"


def good() -> Any:
    return read(GOOD.read_bytes())


def window(**keys: str) -> Window:
    lines = [f"    {key}: {value}\n" for key, value in {"description": "When few pay", "zone": "UTC", **keys}.items()]
    text = "version: 1\nwindows:\n  calm:\n" + "".join(lines) + "flags: {}\n"
    return read(text).definitions.windows["calm"]


def test_every_key_of_a_window_is_read() -> None:
    assert good().definitions.windows["office-hours"] == Window(
        name="office-hours",
        description="When those who would notice are at work",
        zone="Asia/Kolkata",
        days=("mon", "tue", "wed", "thu"),
        opens=time(9, 0),
        closes=time(17, 30),
        avoid=((date(2026, 10, 18), date(2026, 10, 26)), (date(2026, 11, 8), date(2026, 11, 9))),
        avoid_month_days=(LAST_DAY, 1, 31),
    )


def test_a_window_that_says_no_more_than_where_is_always_open() -> None:
    always = good().definitions.windows["any-time"]
    assert always == Window("any-time", "Says no more than where", "UTC")
    assert all(always.is_open(datetime(2026, 1, 1, hour, tzinfo=UTC)) for hour in range(24))


def test_a_window_may_last_until_midnight() -> None:
    evenings = good().definitions.windows["evenings"]
    assert (evenings.opens, evenings.closes) == (time(18, 0), None)


def test_hours_need_no_quotes() -> None:
    assert window(hours="09:00-17:00") == window(hours='"09:00-17:00"')


def test_days_and_dates_may_be_written_in_any_order() -> None:
    assert window(days="[tue, mon]", avoid="[day 2, 2026-01-02, 2026-01-01, day 1]") == window(
        days="[mon, tue]", avoid="[2026-01-01..2026-01-02, day 1, day 2]"
    )


@pytest.mark.parametrize(
    ("flag", "windows"),
    [
        ("of-the-plan", ("office-hours",)),
        ("its-own", ("any-time", "evenings")),
        ("whenever", ()),
        ("without-plan", ("office-hours", "any-time")),
    ],
)
def test_a_rollout_keeps_to_its_own_windows_or_else_to_those_of_its_plan(flag: str, windows: tuple[str, ...]) -> None:
    assert good().definitions.flags[flag].rollout.windows == windows


def test_the_place_of_every_window_is_kept() -> None:
    file = good()
    lines = file.text.splitlines()
    for name in file.definitions.windows:
        assert lines[file.lines[f"windows.{name}"] - 1].startswith(f"  {name}:")


def test_windows_survive_being_stored() -> None:
    definitions = good().definitions
    stored = shared_document(State(definitions=definitions))
    assert read_shared(stored, 1, {}).definitions.windows == definitions.windows


def test_a_rollout_waits_for_the_window_of_the_file() -> None:
    definitions = good().definitions
    flag = replace(definitions.flags["of-the-plan"], enabled=True)
    windows = [definitions.windows[name] for name in flag.rollout.windows]

    def at(day: int, hour: int, minute: int = 0) -> Any:
        moment = Moment(datetime(2026, 11, day, hour, minute, tzinfo=zoneinfo.ZoneInfo("Asia/Kolkata")))
        return decide(flag, Progress(), Verdict.HEALTHY, moment, windows)

    assert at(4, 9) == Enter(0)  # a Wednesday
    assert at(4, 17, 29) == Enter(0)
    held = at(5, 17, 30)  # Thursday evening: no Friday, a week-end with Diwali, and the day after it
    assert isinstance(held, Hold)
    assert held.until == datetime(2026, 11, 10, 3, 30, tzinfo=UTC)


def test_the_zones_are_there_where_the_machine_has_none() -> None:
    zoneinfo.reset_tzpath([])
    try:
        noon = datetime(2026, 1, 1, 12, tzinfo=zoneinfo.ZoneInfo.no_cache("Asia/Kolkata"))
        assert noon.utcoffset() == timedelta(hours=5.5)
    finally:
        zoneinfo.reset_tzpath()


DATES = st.dates(date(2026, 1, 1), date(2027, 12, 31))
SPANS = st.tuples(DATES, st.integers(0, 900)).map(lambda span: f"{span[0]}..{span[0] + timedelta(days=span[1])}")


@settings(max_examples=200, deadline=None)
@given(st.sets(st.sampled_from(DAYS), min_size=1), st.lists(SPANS | DATES.map(str), max_size=6, unique=True), DATES)
def test_a_window_is_refused_or_opens_within_about_a_year(days: set[str], avoid: list[str], today: date) -> None:
    try:
        calm = window(days=f"[{', '.join(days)}]", avoid=f"[{', '.join(avoid)}]")
    except InvalidFile as invalid:
        assert "does not open for a year from" in invalid.problems[0].message
        return
    now = datetime.combine(today, time(12, 0), UTC)
    assert calm.opens_at(now) or calm.opens_at(now + timedelta(days=31))


def test_a_window_with_a_problem_is_told_once_and_its_name_counts_as_known() -> None:
    text = (
        "version: 1\nwindows:\n  calm: { description: When few pay, zone: Nowhere }\n  quiet: { zone: UTC }\nflags:\n"
        "  a: { description: A, owner: x, rollout: { windows: [calm, quiet], stages: [1%] } }\n"
    )
    with pytest.raises(InvalidFile) as refusal:
        read(text)
    assert [(problem.line, problem.column) for problem in refusal.value.problems] == [(3, 44), (4, 3)]


def test_a_window_of_many_long_holidays_is_read_quickly() -> None:
    firsts = [date(2026, 1, 1) + timedelta(days=390 * number) for number in range(366)]
    avoid = ", ".join(f"{first}..{first + timedelta(days=388)}" for first in firsts)
    start = clock.process_time()
    assert len(window(avoid=f"[{avoid}]").avoid) == 366
    assert clock.process_time() - start < 5
