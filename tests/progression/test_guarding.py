"""Rollouts that stop by themselves, for whom it fails, on a hand-held clock: outcomes come in, every server judges
them, and exactly one acts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from rollout.core.errors import RefusedByRule
from rollout.core.guards import Guard, GuardAction, Rate
from rollout.core.outcomes import FOLDED, Side
from rollout.core.progression import Verdict
from rollout.core.shares import Share
from rollout.core.watch_documents import judged_again
from rollout.service.guarding import Watches, verdict
from rollout.service.operations import moment_of
from rollout.service.ports import Counted
from tests.progression.worlds import BANKS, World, payments, stage

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TWO_PERCENT = Share.parse("2%")
BY_BANK = Guard("upi-failures", "", "upi-transfer", GuardAction.EXCLUDE, TWO_PERCENT, counts=("technical",), by="bank")
OVERALL = Guard("overall", "", "upi-transfer", GuardAction.HALT, Share.parse("5%"), min_samples=200)


def guarded_world(*guards: Guard, bake: timedelta = HOUR, servers: int = 1) -> World:
    """A rollout whose first stage is live, and judged from the next minute on."""
    world = World()
    flag = payments(stage("employees", bake), stage("1%", bake), stage("100%", bake))
    assert flag.rollout is not None
    rollout = replace(flag.rollout, guards=tuple(guard.name for guard in guards))
    world.load(replace(flag, rollout=rollout), guards=guards)
    for _ in range(servers):
        world.server()
    world.wait(timedelta(seconds=30))
    return world


def minutes(world: World, count: int, **banks: tuple[int, int]) -> None:
    """So many minutes, in each of which every bank has so many transfers that went well and that failed."""
    for _ in range(count):
        for bank, (ok, failed) in banks.items():
            world.report(ok, failed, bank=bank)
        world.wait(MINUTE)


def health(world: World) -> Verdict:
    watched = Watches(world.store).look().get("payments")
    return verdict(world.record(), world.state(), watched, moment_of(world.store.read([])))


def acts(world: World) -> list[tuple[object, ...]]:
    return [
        (entry["action"], entry["evidence"]["value"])  # type: ignore[index]
        for entry in world.entries()
        if entry["actor"]["kind"] == "guard"  # type: ignore[index]
    ]


WELL = {"SBI": (50, 0), "ICICI": (50, 0), "HDFC": (50, 0)}
SBI_FAILS = WELL | {"SBI": (25, 25)}


def test_only_the_failing_bank_loses_the_flag_and_the_record_holds_what_it_was_judged_by() -> None:
    world = guarded_world(BY_BANK, OVERALL, servers=3)
    minutes(world, 5, **WELL)
    assert acts(world) == []
    minutes(world, 3, **WELL | {"SBI": (40, 10)})
    assert acts(world) == [("exclude", "SBI")]
    (out,) = world.record().progress.excluded
    assert (out.attribute, out.value, out.guard) == ("bank", "SBI", "upi-failures")
    assert world.live() == {"employees": "100%"}
    assert world.record().progress.halted is None
    entry = world.entries()[-1]
    assert entry["actor"]["id"] == "guard:upi-failures"  # type: ignore[index]
    assert "bank SBI: upi-transfer" in str(entry["reason"])
    evidence, judgement = judged_again(entry["evidence"])  # type: ignore[arg-type]
    assert evidence.document() == entry["evidence"]["after"]  # type: ignore[index]
    assert judgement.breached
    assert judgement.log_value.hex() == entry["evidence"]["log_evidence"]  # type: ignore[index]
    assert world.replayed() == world.state()


def test_all_together_out_of_bounds_halts_and_those_who_have_it_keep_it() -> None:
    world = guarded_world(OVERALL)
    minutes(world, 4, SBI=(80, 20), ICICI=(80, 20))
    assert acts(world) == [("halt", "")]
    halted = world.record().progress.halted
    assert halted is not None
    assert halted.by == "guard:overall"
    assert world.live() == {"employees": "100%"}
    assert health(world) is Verdict.BREACHED


@pytest.mark.parametrize(
    ("action", "live", "state"),
    [
        (GuardAction.WARN, {"employees": "100%", "india": "1%"}, (False, False)),
        (GuardAction.HALT, {"employees": "100%", "india": "1%"}, (True, False)),
        (GuardAction.ROLLBACK, {"employees": "100%"}, (True, False)),
        (GuardAction.KILL, {"employees": "100%", "india": "1%"}, (False, True)),
    ],
)
def test_each_action_does_what_it_says_once(
    action: GuardAction, live: dict[str, str], state: tuple[bool, bool]
) -> None:
    world = guarded_world(replace(OVERALL, action=action), bake=DAY)
    world.operations.advance("payments", world.request())
    minutes(world, 10, SBI=(50, 50))
    progress = world.record().progress
    assert (world.live(), (bool(progress.halted), bool(progress.killed))) == (live, state)
    assert acts(world) == [(action.value, "")]
    assert world.replayed() == world.state()


def test_a_guard_watches_also_while_the_rollout_is_halted_and_after_its_end() -> None:
    world = guarded_world(replace(OVERALL, action=GuardAction.KILL))
    world.operations.advance("payments", world.request(), to="100%")
    world.operations.halt("payments", world.request())
    minutes(world, 4, SBI=(50, 50))
    assert world.record().progress.killed is not None


def test_silence_holds_a_rollout_for_ever() -> None:
    world = guarded_world(BY_BANK, bake=HOUR)
    world.wait(7 * DAY, step=timedelta(seconds=50))
    assert world.live() == {"employees": "100%"}
    assert health(world) is Verdict.SOURCE_SILENT


def test_too_little_data_holds_until_there_is_enough_in_the_stage_that_is_live() -> None:
    world = guarded_world(BY_BANK, bake=timedelta(minutes=5))
    minutes(world, 9, SBI=(10, 0))
    assert health(world) is Verdict.TOO_LITTLE_DATA
    assert world.live() == {"employees": "100%"}
    minutes(world, 2, SBI=(10, 0))
    assert world.live() == {"employees": "100%", "india": "1%"}
    assert health(world) is Verdict.TOO_LITTLE_DATA  # of the new stage
    minutes(world, 12, SBI=(10, 0))
    assert world.live() == {"employees": "100%", "india": "100%"}


def test_a_source_that_falls_silent_holds_what_was_healthy() -> None:
    world = guarded_world(BY_BANK, bake=HOUR)
    minutes(world, 30, **WELL)
    assert health(world) is Verdict.HEALTHY
    world.wait(timedelta(minutes=11))
    assert health(world) is Verdict.SOURCE_SILENT
    world.wait(timedelta(minutes=60))
    assert world.live() == {"employees": "100%"}
    minutes(world, 1, **WELL)
    assert world.live() == {"employees": "100%", "india": "1%"}


def test_a_minute_of_which_not_all_was_counted_in_its_group_is_not_called_healthy() -> None:
    world = guarded_world(BY_BANK, bake=DAY)
    minutes(world, 5, **WELL)
    assert health(world) is Verdict.HEALTHY
    world.store.count([Counted("payments", 10**9, (FOLDED,), 1)])
    minutes(world, 1, **WELL)
    assert health(world) is Verdict.TOO_LITTLE_DATA
    minutes(world, 12, **WELL)
    assert health(world) is Verdict.HEALTHY


def test_what_was_excluded_no_longer_holds_the_rest_back() -> None:
    world = guarded_world(BY_BANK, bake=timedelta(minutes=10))
    minutes(world, 5, **SBI_FAILS)
    assert acts(world) == [("exclude", "SBI")]
    assert health(world) is Verdict.HEALTHY
    minutes(world, 6, ICICI=(50, 0), HDFC=(50, 0))
    assert world.live() == {"employees": "100%", "india": "1%"}


def test_resuming_a_value_lifts_its_exclusion_and_the_guard_begins_anew() -> None:
    world = guarded_world(BY_BANK, bake=DAY)
    minutes(world, 5, **SBI_FAILS)
    answer = world.operations.resume("payments", world.request("SBI says it is mended"), value="SBI")
    assert answer["raises"]
    assert [one["value"] for one in answer["readmitted"]] == ["SBI"]
    assert world.record().progress.excluded == ()
    minutes(world, 5, **WELL)
    assert world.record().progress.excluded == ()
    minutes(world, 5, **SBI_FAILS)
    assert acts(world) == [("exclude", "SBI"), ("exclude", "SBI")]


def test_resuming_a_rollout_lifts_no_exclusion() -> None:
    world = guarded_world(BY_BANK, OVERALL, bake=DAY)
    minutes(world, 8, **SBI_FAILS)
    assert sorted(acts(world)) == [("exclude", "SBI"), ("halt", "")]
    world.operations.resume("payments", world.request())
    assert [one.value for one in world.record().progress.excluded] == ["SBI"]
    minutes(world, 10, ICICI=(50, 0), HDFC=(50, 0))
    assert len(acts(world)) == 2


def test_nobody_raises_what_a_guard_stopped_before_it_is_resumed() -> None:
    world = guarded_world(OVERALL, bake=DAY)
    minutes(world, 4, SBI=(50, 50))
    with pytest.raises(RefusedByRule, match="guard overall stopped payments"):
        world.operations.set_share("payments", Share.parse("1%"), world.request())
    world.operations.set_share("payments", Share.parse("0%"), world.request(), audience="employees")
    world.operations.resume("payments", world.request())
    world.operations.set_share("payments", Share.parse("1%"), world.request())
    assert world.live() == {"employees": "100%", "india": "1%"}


def test_a_warning_holds_the_rollout_until_the_evidence_is_gone_and_can_come_again() -> None:
    world = guarded_world(replace(OVERALL, action=GuardAction.WARN), bake=timedelta(minutes=10))
    minutes(world, 3, SBI=(50, 50))
    assert acts(world) == [("warn", "")]
    minutes(world, 20, SBI=(50, 50))
    assert (acts(world), world.live()) == ([("warn", "")], {"employees": "100%"})
    minutes(world, 200, SBI=(2000, 0))
    assert world.live() != {"employees": "100%"}


def test_a_rate_that_vanishes_stops_the_rollout_although_nothing_is_reported() -> None:
    rate = replace(OVERALL, max_failures=None, min_rate=Rate(5, MINUTE), min_samples=50)  # type: ignore[arg-type]
    world = guarded_world(rate, bake=DAY)
    world.wait(timedelta(minutes=30))
    assert acts(world) == []  # it was never there
    minutes(world, 20, SBI=(10, 0))
    assert acts(world) == []
    world.wait(timedelta(minutes=10))
    assert acts(world) == [("halt", "")]


def test_an_outage_that_hits_both_sides_stops_nothing_and_one_that_hits_the_flag_does() -> None:
    control = replace(OVERALL, max_failures=None, against="control", max_ratio=TWO_PERCENT.percent * 0 + 2)
    world = guarded_world(control, bake=DAY)
    for _ in range(20):
        world.report(20, 20)
        world.report(20, 20, side=Side.CONTROL)
        world.wait(MINUTE)
    assert acts(world) == []
    for _ in range(20):
        world.report(20, 20)
        world.report(38, 2, side=Side.CONTROL)
        world.wait(MINUTE)
    assert acts(world) == [("halt", "")]


def test_a_drill_goes_the_whole_way_and_touches_nobody() -> None:
    world = guarded_world(BY_BANK, OVERALL, bake=DAY, servers=2)
    minutes(world, 3, **WELL)
    before = world.record()
    world.report(0, 600, side=Side.DRILL)
    minutes(world, 2, **WELL)
    assert acts(world) == [("drill", ""), ("drill", "")]
    assert {entry["evidence"]["guard"]["name"] for entry in world.entries()[-2:]} == {  # type: ignore[index]
        "upi-failures",
        "overall",
    }
    assert world.record() == before
    assert world.replayed() == world.state()
    assert health(world) is Verdict.HEALTHY


def test_an_edited_bound_begins_anew_and_another_action_does_not() -> None:
    world = guarded_world(OVERALL, bake=DAY)
    flag = world.record().flag
    minutes(world, 1, SBI=(92, 8))
    first = Watches(world.store).look()["payments"].watch.guards["overall"].groups[""].evidence
    world.load(flag, guards=(replace(OVERALL, action=GuardAction.WARN),))
    minutes(world, 1, SBI=(92, 8))
    second = Watches(world.store).look()["payments"].watch.guards["overall"].groups[""].evidence
    assert second.on.total == first.on.total + 100
    world.load(flag, guards=(replace(OVERALL, max_failures=Share.parse("9%")),))
    minutes(world, 1, SBI=(92, 8))
    third = Watches(world.store).look()["payments"].watch.guards["overall"].groups[""].evidence
    assert third.on.total == 100


def test_each_minute_is_counted_once_however_many_servers_judge_and_whichever_are_away() -> None:
    world, dice = guarded_world(BY_BANK, OVERALL, bake=DAY, servers=4), Random(7)
    for _ in range(30):
        minutes(world, 1, SBI=(30, 0), HDFC=(10, 0))
        dice.shuffle(world.servers)
    servers, world.servers = world.servers, []
    minutes(world, 25, SBI=(30, 0), HDFC=(10, 0))
    world.servers = servers
    world.wait(MINUTE)
    watch = Watches(world.store).look()["payments"].watch
    assert watch.guards["overall"].groups[""].evidence.on.total == 55 * 40
    assert watch.guards["upi-failures"].groups["SBI"].evidence.on.total == 55 * 30


def test_no_stage_advances_on_silence_in_any_history() -> None:
    for seed in range(30):
        dice = Random(seed)
        world = guarded_world(BY_BANK, bake=timedelta(minutes=dice.randint(0, 30)), servers=dice.randint(1, 3))
        quiet_since = world.now_ms
        for _ in range(60):
            before = world.live()
            if dice.random() < 0.3:
                world.report(dice.randint(1, 100), 0, bank=dice.choice(BANKS))
                quiet_since = world.now_ms
            world.wait(MINUTE * dice.randint(1, 8))
            if world.live() != before:
                assert world.now_ms - quiet_since <= BY_BANK.no_data / timedelta(milliseconds=1) + 9 * 60_000
