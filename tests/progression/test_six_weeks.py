"""Whole rollouts of six weeks with three servers that crash, operators who step in, and a file that is edited."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from rollout.core.durations import format_duration
from rollout.core.errors import RefusedByRule
from rollout.core.plans import stages_done
from tests.progression.worlds import World, payments, stage

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
STAGES = (
    stage("employees", 7 * DAY),
    stage("1%", 5 * DAY),
    stage("5%", 5 * DAY),
    stage("25%", 4 * DAY),
    stage("50%", 4 * DAY),
    stage("100%"),
)
NAMES = [one.name for one in STAGES]


class SixWeeks:
    """One history: what the dice say happens, and how long each stage was really watched over."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.world = World()
        self.world.load(payments(*STAGES))
        for _ in range(3):
            self.world.server()
        self.up = {0, 1, 2}
        self.ran: dict[str, timedelta] = {}  # stage -> how long it baked
        self.entered: list[str] = []
        self.killed_once = False

    def live(self) -> None:
        for _ in range(6 * 7 * 24 * 2):
            self.half_an_hour()

    def half_an_hour(self) -> None:
        self.servers_come_and_go()
        self.somebody_does_something()
        step = timedelta(seconds=60)
        for _ in range(30 * MINUTE // step):
            self.time_passes(step)

    def time_passes(self, step: timedelta) -> None:
        moving = self.is_moving()
        current = self.current()
        self.world.now_ms += step // timedelta(milliseconds=1)
        for number in self.up:
            self.world.tick(self.world.servers[number])
        if self.up and moving and current:
            self.ran[current] = self.ran.get(current, timedelta(0)) + step
        if self.current() != current:
            self.entered.append(self.current())
            self.check_bake(current)

    def check_bake(self, before: str) -> None:
        if before:
            wanted = next(one.bake for one in STAGES if one.name == before)
            assert self.ran[before] >= wanted, f"{before} baked {format_duration(self.ran[before])}"

    def servers_come_and_go(self) -> None:
        for number in range(3):
            if self.dice.random() < 0.1:
                self.up ^= {number}
        if not self.up and self.dice.random() < 0.5:
            self.up = {self.dice.randrange(3)}

    def somebody_does_something(self) -> None:
        events = [self.halt, self.resume, self.edit_description, self.edit_owner, self.restart_all]
        if self.dice.random() < 0.1:
            self.dice.choice(events)()

    def halt(self) -> None:
        self.world.operations.halt("payments", self.world.request("odd numbers"))

    def resume(self) -> None:
        try:
            self.world.operations.resume("payments", self.world.request("fine again"))
        except RefusedByRule as error:
            assert "not halted" in error.message

    def edit_description(self) -> None:
        self.world.load(payments(*STAGES, description=f"Pay, edition {self.dice.randrange(9)}"))

    def edit_owner(self) -> None:
        self.world.load(payments(*STAGES, owner=f"team-{self.dice.randrange(9)}@example.com"))

    def restart_all(self) -> None:
        self.world.servers.clear()
        for _ in range(3):
            self.world.server()

    def is_moving(self) -> bool:
        return self.world.record().progress.halted is None

    def current(self) -> str:
        record = self.world.record()
        done = stages_done(record.flag.stages, record.progress.exposure)
        return record.flag.stages[done - 1].name if done else ""


def stage_entered(entry: dict[str, object]) -> str:
    """From a reason such as "stage 5%, after 1% baked for 5d"."""
    return str(entry["reason"]).split(",")[0].split(" ")[1]


@pytest.mark.parametrize("seed", range(4))
def test_each_stage_is_entered_once_in_order_and_never_before_its_bake(seed: int) -> None:
    weeks = SixWeeks(seed)
    weeks.live()
    assert weeks.entered == NAMES[: len(weeks.entered)]
    assert len(weeks.entered) >= 2, "the history should get somewhere"
    in_audit = [stage_entered(entry) for entry in weeks.world.entries() if entry["action"] == "enter"]
    assert in_audit == weeks.entered
    assert weeks.world.replayed() == weeks.world.state()


def test_times_in_the_audit_never_go_back_when_the_stores_clock_does() -> None:
    world = World()
    world.load(payments(*STAGES))
    world.server()
    world.wait(MINUTE)
    world.now_ms -= DAY // timedelta(milliseconds=1)
    world.operations.halt("payments", world.request("clock was set back"))
    times = [str(entry["at"]) for entry in world.entries()]
    assert times == sorted(times)


def test_a_jump_of_the_stores_clock_bakes_nothing() -> None:
    world = World()
    world.load(payments(stage("employees", HOUR), stage("1%")))
    world.server()
    world.wait(10 * MINUTE)
    for jump in (DAY, -DAY, 2 * DAY):
        world.now_ms += jump // timedelta(milliseconds=1)
        world.wait(MINUTE)
    assert world.live() == {"employees": "100%"}


def test_replaying_the_audit_gives_the_state_with_files_that_come_and_go() -> None:
    world = World()
    wallet = replace(payments(stage("10%")), key="wallet", salt="wallet")
    world.load(payments(*STAGES), wallet)
    world.server()
    world.wait(HOUR)
    world.load(payments(*STAGES[:2]))
    world.operations.kill("payments", world.request("fire"))
    world.load(payments(*STAGES[:3]), wallet)
    assert world.replayed() == world.state()
