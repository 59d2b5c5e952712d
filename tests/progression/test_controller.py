"""Stages that move by themselves, on a hand-held clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest

from rollout.core.progression import Enter, Hold, Moment, Verdict, decide
from rollout.core.simulation import timetable
from rollout.core.windows import LAST_DAY, Window
from tests.progression.worlds import START, World, payments, stage

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def world_with(*stages: object, servers: int = 1, **more: object) -> World:
    world = World()
    world.load(payments(*stages, **more))  # type: ignore[arg-type]
    for _ in range(servers):
        world.server()
    return world


def test_the_first_stage_begins_at_the_next_tick() -> None:
    world = world_with(stage("employees", DAY), stage("1%"))
    assert world.live() == {}
    world.wait(MINUTE)
    assert world.live() == {"employees": "100%"}


def test_a_stage_begins_when_the_one_before_has_baked_and_not_a_tick_earlier() -> None:
    world = world_with(stage("employees", DAY), stage("1%"))
    world.wait(30 * timedelta(seconds=1))
    world.wait(DAY - timedelta(seconds=30))
    assert world.live() == {"employees": "100%"}
    world.wait(timedelta(seconds=30))
    assert world.live() == {"employees": "100%", "india": "1%"}


def test_time_without_a_ticking_server_bakes_nothing() -> None:
    world = world_with(stage("employees", HOUR), stage("1%"))
    world.wait(30 * MINUTE)
    world.sleep(DAY)
    world.wait(29 * MINUTE)
    assert world.live() == {"employees": "100%"}
    world.wait(3 * MINUTE)
    assert world.live()["india"] == "1%"


def test_a_bake_that_begins_between_two_ticks_counts_nothing_before_it() -> None:
    world = world_with(stage("1%", MINUTE), stage("5%", MINUTE), stage("100%"))
    world.wait(timedelta(seconds=30))
    world.sleep(timedelta(seconds=50))
    world.operations.advance("payments", world.request("straight on the store, between two ticks"))
    world.wait(timedelta(seconds=50), step=timedelta(seconds=10))
    assert world.live() == {"india": "5%"}
    world.wait(timedelta(seconds=20), step=timedelta(seconds=10))
    assert world.live() == {"india": "100%"}


def test_a_gap_of_a_minute_counts_as_ticking() -> None:
    world = world_with(stage("employees", HOUR), stage("1%"))
    world.wait(MINUTE)
    for _ in range(60):
        world.sleep(timedelta(seconds=60))
        world.tick(world.servers[0])
    assert world.live()["india"] == "1%"


def test_of_many_servers_exactly_one_takes_each_step() -> None:
    world = world_with(*(stage(f"{share}%", MINUTE) for share in (1, 5, 25, 50, 100)), servers=5)
    world.wait(10 * MINUTE)
    entered = [entry["after"]["exposure"]["india"] for entry in world.entries() if entry["action"] == "enter"]  # type: ignore[index]
    assert entered == ["1%", "5%", "25%", "50%", "100%"]


def test_a_halt_stops_the_bake_and_a_resume_goes_on_with_what_was_left() -> None:
    world = world_with(stage("employees", HOUR), stage("1%"))
    world.wait(30 * MINUTE)
    world.operations.halt("payments", world.request("looks odd"))
    world.wait(DAY)
    assert world.live() == {"employees": "100%"}
    world.operations.resume("payments", world.request("was nothing"))
    world.wait(29 * MINUTE)
    assert world.live() == {"employees": "100%"}
    world.wait(2 * MINUTE)
    assert world.live()["india"] == "1%"


def test_a_stage_that_needs_approval_waits_for_a_person() -> None:
    world = world_with(stage("1%", MINUTE), stage("50%", approval=True), stage("100%"))
    world.wait(DAY)
    assert world.live() == {"india": "1%"}
    world.operations.advance("payments", world.request("approved"))
    assert world.live() == {"india": "50%"}
    world.wait(MINUTE)
    assert world.live() == {"india": "100%"}


def test_silence_of_the_guards_never_counts_as_health() -> None:
    flag = payments(stage("employees", MINUTE), stage("1%"))
    assert flag.rollout is not None
    world = World()
    world.load(replace(flag, rollout=replace(flag.rollout, guards=("upi-failures",))))
    world.server()
    world.wait(DAY)
    assert world.live() == {"employees": "100%"}


def check_decision(verdict: Verdict, expected: type) -> None:
    world = world_with(stage("1%"), stage("5%"))
    world.wait(timedelta(seconds=30))
    world.load(payments(stage("1%"), stage("5%"), stage("9%")))
    record = world.record()
    assert isinstance(decide(record.flag, record.progress, verdict, Moment(world.now)), expected)


def test_only_a_healthy_verdict_lets_a_stage_begin() -> None:
    check_decision(Verdict.HEALTHY, Enter)
    for verdict in Verdict:
        if verdict is not Verdict.HEALTHY:
            check_decision(verdict, Hold)


def test_rollback_goes_one_stage_back_and_holds_there() -> None:
    world = world_with(stage("employees"), stage("1%"), stage("5%"))
    world.wait(5 * MINUTE)
    world.operations.rollback("payments", world.request("complaints"))
    assert world.live() == {"employees": "100%", "india": "1%"}
    world.wait(DAY)
    assert world.live() == {"employees": "100%", "india": "1%"}


@pytest.mark.parametrize(
    ("to", "left"), [("employees", {"employees": "100%"}), ("0%", {}), ("1%", {"employees": "100%", "india": "1%"})]
)
def test_rollback_goes_to_the_stage_that_is_named(to: str, left: dict[str, str]) -> None:
    world = world_with(stage("employees"), stage("1%"), stage("5%"))
    world.wait(5 * MINUTE)
    world.operations.rollback("payments", world.request("complaints"), to=to)
    assert world.live() == left


def test_a_set_share_is_held_until_it_is_resumed_and_then_bakes() -> None:
    world = world_with(stage("1%", HOUR), stage("5%", HOUR), stage("100%"))
    world.wait(MINUTE)
    world.operations.set_share("payments", stage("3%").share, world.request("slowly"))
    world.wait(DAY)
    assert world.live() == {"india": "3%"}
    world.operations.resume("payments", world.request("go on"))
    world.wait(59 * MINUTE)
    assert world.live() == {"india": "3%"}
    world.wait(2 * MINUTE)
    assert world.live() == {"india": "5%"}


WORKDAYS = ("mon", "tue", "wed", "thu")
OFFICE = Window("office", "", "Asia/Kolkata", WORKDAYS, time(9), time(17), avoid_month_days=(1, LAST_DAY))


def check_open(at: str, is_open: bool) -> None:
    assert OFFICE.is_open(datetime.fromisoformat(at)) is is_open, at


def test_a_window_is_open_by_the_clock_and_the_calendar_of_its_place() -> None:
    check_open("2026-11-23T09:00+05:30", True)
    check_open("2026-11-23T08:59+05:30", False)
    check_open("2026-11-23T17:00+05:30", False)
    check_open("2026-11-23T04:00+00:00", True)
    check_open("2026-11-27T12:00+05:30", False)  # a Friday
    check_open("2026-11-30T12:00+05:30", False)  # the last day of the month
    check_open("2026-12-01T12:00+05:30", False)


def test_a_window_says_when_it_opens_next() -> None:
    opens = OFFICE.opens_at(datetime.fromisoformat("2026-11-26T18:00+05:30"))
    assert opens == datetime.fromisoformat("2026-12-02T09:00+05:30")
    assert Window("never", "", "UTC", days=()).opens_at(START) is None


def test_the_timetable_is_what_then_happens() -> None:
    stages = (stage("employees", 14 * DAY), stage("1%", 7 * DAY), stage("5%", 7 * DAY), stage("100%"))
    world = world_with(*stages)
    planned = [(event.at, event.stage) for event in timetable(world.record(), Moment(world.now)) if event.stage]
    world.wait(30 * DAY, step=MINUTE)
    happened = [
        (datetime.fromisoformat(str(entry["at"])), str(entry["reason"]).split(",")[0].split(" ")[1])
        for entry in world.entries()
        if entry["action"] == "enter"
    ]
    assert [name for _, name in happened] == [name for _, name in planned]
    for (planned_at, _), (happened_at, _) in zip(planned, happened, strict=True):
        assert timedelta(0) <= happened_at - planned_at <= 5 * MINUTE


def test_a_timetable_ends_where_a_guard_would_hold_it() -> None:
    world = world_with(stage("1%", DAY), stage("5%"))
    events = list(timetable(world.record(), Moment(world.now), verdicts={"1%": Verdict.TOO_LITTLE_DATA}))
    assert [event.stage for event in events] == ["1%", None]
    assert "too little data" in events[-1].note


def test_a_flag_waits_while_one_that_it_requires_is_off_for_everyone() -> None:
    world = World()
    late = replace(payments(stage("1%"), stage("5%")), key="late", salt="late", requires=("payments",))
    world.load(payments(stage("1%")), late)
    world.operations.kill("payments", world.request("fire"))
    world.server()
    world.wait(HOUR)
    assert world.live("late") == {}
    world.operations.revive("payments", world.request("out"))
    world.wait(HOUR)
    assert world.live("late") == {"india": "5%"}
