"""What a change makes of a flag: who may set it how far, what a file may do by itself, and who gains and loses."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given

from rollout.core import changes
from rollout.core.changes import Move, load_flag, moves, served
from rollout.core.errors import InvalidInput, RefusedByRule, RolloutError
from rollout.core.flags import Flag, Rule
from rollout.core.plans import Rollout, Stage, ceiling, covered, no_more_than, stages_done
from rollout.core.progress import Exclusion, FlagRecord, Progress, Stop
from rollout.core.segments import EVERYONE, Match
from rollout.core.shares import EVERYBODY, NOBODY, Share
from tests.core.promises import promise
from tests.core.strategies import SHARES, Dice, a_flag, a_record, made, seeds

STOP = Stop("amit", datetime(2026, 11, 23, 9, 0, tzinfo=UTC), "why")
LATER = Stop("priya", datetime(2026, 11, 24, 9, 0, tzinfo=UTC), "again")
Live = dict[str, str]
some_records = made(lambda dice: a_record(dice, "flag", (), ("seg-0", "seg-1")))
some_flags = made(lambda dice: a_flag(dice, "flag", (), ("seg-0", "seg-1")))


def stage(words: str, **more: Any) -> Stage:
    """ "employees", "5%" (of india), "5% of nepal"."""
    if "%" in words:
        share, _, audience = words.partition(" of ")
        return Stage(words, audience or "india", Share.parse(share), **more)
    return Stage(words, words, EVERYBODY, by_segment=True, **more)


def a_plan(*stages: str, **more: Any) -> Rollout:
    return Rollout("india", tuple(stage(words, **more) for words in stages))


PLAN = a_plan("employees", "1%", "5%", "50%")


def flag(rollout: Rollout | None = PLAN, **more: Any) -> Flag:
    words: dict[str, Any] = {"description": "d", "owner": "o", "enabled": True, "salt": "payments", **more}
    return Flag("payments", rollout=rollout, **words)


def exposure(live: Live) -> dict[str, Share]:
    return {audience: Share.parse(share) for audience, share in live.items()}


def record(
    live: Live, rollout: Rollout | None = PLAN, *, halted: bool = False, killed: bool = False, **more: Any
) -> FlagRecord:
    stops = {"halted": STOP if halted else None, "killed": STOP if killed else None}
    return FlagRecord(flag(rollout, **more), Progress(exposure=exposure(live), **stops), 1)


def as_live(progress: Progress) -> Live:
    return {audience: str(share) for audience, share in progress.exposure.items()}


def an_exclusion(value: str, guard: str = "upi-failures") -> Exclusion:
    return Exclusion("bank", value, guard, STOP)


def test_what_a_guard_excludes_stays_out_until_its_value_is_readmitted_and_nothing_else_moves() -> None:
    before = record({"employees": "100%"}, halted=True)
    once = changes.exclude(before, "bank", "SBI", "upi-failures", STOP)
    assert once == replace(before.progress, excluded=(an_exclusion("SBI"),))
    again = replace(before, progress=once)
    assert changes.exclude(again, "bank", "SBI", "upi-failures", LATER) == once
    both = changes.exclude(again, "bank", "SBI", "slow-upi", STOP)
    assert both.excluded == (an_exclusion("SBI"), an_exclusion("SBI", "slow-upi"))
    wider = replace(again, progress=replace(both, excluded=(*both.excluded, an_exclusion("ICICI"))))
    assert changes.readmit(wider, "SBI") == replace(before.progress, excluded=(an_exclusion("ICICI"),))


def test_readmitting_is_refused_for_who_is_not_excluded_and_while_the_flag_is_locked() -> None:
    with pytest.raises(RefusedByRule, match="no guard excludes 'HDFC'"):
        changes.readmit(record({}), "HDFC")
    locked = record({}, locked=True)
    with pytest.raises(RefusedByRule, match="locked"):
        changes.readmit(replace(locked, progress=replace(locked.progress, excluded=(an_exclusion("SBI"),))), "SBI")


@given(some_records, some_flags)
def test_no_file_lifts_what_a_guard_excluded(before: FlagRecord, after: Flag) -> None:
    assert load_flag(before, after).excluded == before.progress.excluded


def check_set(before: FlagRecord, share: str, live: Live, audience: str = "india", **more: Any) -> None:
    after = changes.set_share(before, audience, Share.parse(share), LATER, **more)
    assert as_live(after) == live
    assert after.halted == LATER
    assert after.killed == before.progress.killed


def test_raising_admits_what_the_plan_has_before_that_point_and_lowering_takes_away_only_what_is_above() -> None:
    check_set(record({}), "1%", {"india": "1%", "employees": "100%"})
    check_set(record({}), "0.5%", {"india": "0.5%", "employees": "100%"})
    check_set(record({}), "50%", {"india": "50%", "employees": "100%"})
    check_set(record({"employees": "100%", "india": "5%"}), "1%", {"employees": "100%", "india": "1%"})
    check_set(record({"employees": "100%", "india": "5%"}), "0%", {"employees": "100%"})
    check_set(record({"india": "5%"}), "1%", {"india": "1%"})
    check_set(record({"india": "5%"}), "5%", {"india": "5%"})
    check_set(record({}), "0%", {}, "employees")
    check_set(record({}), "100%", {"employees": "100%"}, "employees")
    check_set(record({"employees": "100%"}), "20%", {"employees": "20%"}, "employees")


def test_a_stage_after_the_point_is_not_admitted() -> None:
    later = a_plan("1%", "employees", "50%")
    check_set(record({}, later), "1%", {"india": "1%"})
    check_set(record({}, later), "0.5%", {"india": "0.5%"})
    check_set(record({}, later), "2%", {"india": "2%", "employees": "100%"})
    two = a_plan("1%", "5% of nepal", "10%", "50% of nepal", "20%")
    check_set(record({}, two), "10%", {"india": "10%", "nepal": "5%"})
    check_set(record({"nepal": "30%"}, two), "15%", {"india": "15%", "nepal": "50%"})
    check_set(record({}, two), "5%", {"nepal": "5%", "india": "1%"}, "nepal")


def test_a_set_while_it_is_killed_or_disabled_is_for_later() -> None:
    check_set(record({}, killed=True), "1%", {"india": "1%", "employees": "100%"})
    check_set(record({}, enabled=False), "1%", {"india": "1%", "employees": "100%"})


def check_refused(change: Any, message: str, hint: str | None, error: type[RolloutError] = RefusedByRule) -> None:
    with pytest.raises(error) as refused:
        change()
    assert refused.value.message == message
    assert refused.value.hint == hint


def check_set_refused(before: FlagRecord, share: str, message: str, hint: str, audience: str = "india") -> None:
    check_refused(lambda: changes.set_share(before, audience, Share.parse(share), STOP), message, hint)


def test_a_set_is_refused_beyond_the_plan_where_locked_and_where_there_is_no_such_place() -> None:
    beyond, ask = (
        "60% is beyond the plan of payments, which ends at 50% of india",
        "add a stage to the file, or say --beyond-plan",
    )
    check_set_refused(record({}), "60%", beyond, ask)
    check_set(record({}), "60%", {"india": "60%", "employees": "100%"}, beyond_plan=True)
    check_set(record({"india": "60%"}), "55%", {"india": "55%"})  # lowering is never refused
    lock, unlock = "payments is locked: nothing may raise it", "take `locked: true` out of the file first"
    check_set_refused(record({}, locked=True), "1%", lock, unlock)
    check_set_refused(record({"india": "1%"}, locked=True), "1.5%", lock, unlock)
    check_set(record({"india": "5%"}, locked=True), "1%", {"india": "1%"})
    check_set(record({"india": "5%"}, locked=True), "0%", {})
    typo, speaks = "the plan of payments does not speak of indai", "it speaks of employees, india"
    check_set_refused(record({}), "1%", typo, speaks, "indai")
    check_set_refused(record({"india": "1%"}), "0%", typo, speaks, "indai")
    check_set(record({"nepal": "5%"}), "0%", {}, "nepal")
    alone = "payments has no rollout to set"
    give = "give it `rollout:` in the file, or `rollout kill` it"
    check_set_refused(record({"everyone": "100%"}, None), "1%", alone, give, "everyone")
    check_set_refused(record({}, None, rules=(Rule(Match(()), "on"),)), "0%", alone, give, "everyone")


def test_a_kill_keeps_its_place_and_a_revive_stays_halted() -> None:
    live = record({"india": "5%"})
    killed = replace(live, progress=changes.kill(live, STOP))
    assert served(killed) == {}
    assert changes.kill(killed, LATER).killed == STOP  # who was first
    revived = changes.revive(killed, LATER)
    assert (as_live(revived), revived.killed, revived.halted) == ({"india": "5%"}, None, LATER)
    halted = record({"india": "5%"}, halted=True, killed=True)
    assert changes.revive(halted, LATER).halted == STOP


def test_a_revive_is_refused_where_there_is_no_kill_and_where_a_lock_would_be_raised() -> None:
    check_refused(lambda: changes.revive(record({}), STOP), "payments is not killed", "there is nothing to revive")
    lock, unlock = "payments is locked: nothing may raise it", "take `locked: true` out of the file first"
    rules = (Rule(Match(()), "on"),)
    check_refused(lambda: changes.revive(record({"india": "1%"}, killed=True, locked=True), STOP), lock, unlock)
    check_refused(lambda: changes.revive(record({}, killed=True, locked=True, rules=rules), STOP), lock, unlock)
    check_refused(lambda: changes.revive(record({}, None, killed=True, locked=True, rules=rules), STOP), lock, unlock)
    assert changes.revive(record({}, killed=True, locked=True), STOP).killed is None


def test_a_halt_keeps_everybody_and_a_resume_only_lifts_it() -> None:
    live = record({"india": "5%"})
    halted = changes.halt(live, STOP)
    assert (as_live(halted), halted.halted) == ({"india": "5%"}, STOP)
    assert changes.halt(replace(live, progress=halted), LATER).halted == STOP
    assert changes.resume(replace(live, progress=halted)) == live.progress
    check_refused(lambda: changes.resume(live), "payments is not halted", "there is nothing to resume")
    killed = record({}, halted=True, killed=True)
    check_refused(lambda: changes.resume(killed), "payments is killed", "`rollout revive payments` first")


def check_advance(before: FlagRecord, to: str | None, live: Live) -> None:
    assert as_live(changes.advance(before, to)) == live


def test_an_advance_goes_to_the_first_stage_that_is_not_covered_or_further() -> None:
    check_advance(record({}), None, {"employees": "100%"})
    check_advance(record({"employees": "100%"}), None, {"employees": "100%", "india": "1%"})
    check_advance(record({"india": "5%"}), None, {"india": "5%", "employees": "100%"})
    check_advance(record({}), "5%", {"employees": "100%", "india": "5%"})
    check_advance(record({"employees": "100%", "india": "3%"}), None, {"employees": "100%", "india": "5%"})
    done = record({"employees": "100%", "india": "50%"})
    check_refused(lambda: changes.advance(done), "payments is at the end of its plan", None)
    passed = record({"employees": "100%", "india": "5%"})
    back = "`rollout rollback payments --to 1%` goes back"
    check_refused(lambda: changes.advance(passed, "1%"), "payments has passed stage 1%", back)
    names = "its stages are employees, 1%, 5%, 50%"
    check_refused(lambda: changes.advance(passed, "7%"), "payments has no stage called '7%'", names, InvalidInput)
    first = "`rollout resume payments` first"
    check_refused(lambda: changes.advance(record({}, halted=True)), "payments is halted", first)


def check_rollback(before: FlagRecord, to: str | None, live: Live) -> None:
    after = changes.rollback(before, LATER, to)
    assert (as_live(after), after.halted) == (live, LATER)


def test_a_rollback_takes_away_what_was_added_since() -> None:
    full = record({"employees": "100%", "india": "5%"})
    check_rollback(full, None, {"employees": "100%", "india": "1%"})
    check_rollback(full, "1%", {"employees": "100%", "india": "1%"})
    check_rollback(full, "employees", {"employees": "100%"})
    check_rollback(full, "0%", {})
    check_rollback(record({"employees": "100%", "india": "3%"}), None, {"employees": "100%", "india": "1%"})
    check_rollback(record({"employees": "100%"}), None, {})
    nothing = "payments has nothing to take back: nobody has it by its rollout"
    check_refused(lambda: changes.rollback(record({}), STOP), nothing, None)


@promise(200)
@given(some_records, seeds)
def test_less_is_never_more_and_nothing_raises_a_locked_flag(before: FlagRecord, seed: int) -> None:
    dice = Dice(seed)
    names = [one.name for one in before.flag.stages]
    to = dice.one([None, "0%", *names])
    for verb in (
        lambda: changes.kill(before, STOP),
        lambda: changes.halt(before, STOP),
        lambda: changes.rollback(before, STOP, to),
    ):
        after = outcome(before, verb)
        assert no_more_than(served(after), served(before))
    for verb in (
        lambda: changes.set_share(before, dice.one([EVERYONE, "seg-0"]), dice.one(SHARES), STOP, beyond_plan=True),
        lambda: changes.advance(before, to),
        lambda: changes.revive(before, STOP),
        lambda: changes.resume(before),
    ):
        after = outcome(before, verb)
        if before.flag.locked:
            assert no_more_than(served(after), served(before))
        assert all(share > NOBODY for share in after.progress.exposure.values())


def outcome(before: FlagRecord, verb: Any) -> FlagRecord:
    try:
        return replace(before, progress=verb())
    except RolloutError:
        return before


def check_load(before: FlagRecord | None, wanted: Flag, live: Live) -> None:
    after = load_flag(before, wanted)
    assert as_live(after) == live
    if before:
        assert (after.halted, after.killed) == (before.progress.halted, before.progress.killed)


ALL = {"everyone": "100%"}
HALF_WAY = {"employees": "100%", "india": "5%"}


def test_a_new_flag_begins_with_nobody_or_without_a_rollout_where_the_file_says() -> None:
    check_load(None, flag(), {})
    check_load(None, flag(None), ALL)
    check_load(None, flag(None, audience="india"), {"india": "100%"})
    check_load(None, flag(None, enabled=False), {})
    check_load(None, flag(None, locked=True), {})
    check_load(None, flag(None, rules=(Rule(Match(()), "on"),)), {})


def test_unrelated_edits_change_nothing() -> None:
    before = record(HALF_WAY, halted=True)
    check_load(before, flag(), HALF_WAY)
    check_load(before, flag(description="x", owner="y", tags=("t",), client=False), HALF_WAY)
    check_load(before, flag(a_plan("employees", "1%", "5%", "50%", bake=timedelta(days=9))), HALF_WAY)
    check_load(before, flag(a_plan("employees", "1%", "5%", "50%", guards=("g",), approval=True)), HALF_WAY)
    check_load(before, flag(replace(PLAN, plan="standard", bake=timedelta(1), windows=("w",))), HALF_WAY)
    check_load(before, flag(locked=True), HALF_WAY)
    beyond = {"employees": "100%", "india": "60%"}  # set by hand
    check_load(record(beyond), flag(a_plan("employees", "1%", "5%", "50%", bake=timedelta(days=9))), beyond)
    check_load(record(beyond), flag(a_plan("employees", "2%", "5%", "50%")), {"employees": "100%", "india": "50%"})


def test_a_plan_is_a_ceiling() -> None:
    check_load(record(HALF_WAY), flag(a_plan("employees", "1%")), {"employees": "100%", "india": "1%"})
    check_load(record(HALF_WAY), flag(a_plan("1%")), {"india": "1%"})
    check_load(record(HALF_WAY), flag(a_plan("employees")), {"employees": "100%"})
    check_load(record(HALF_WAY), flag(a_plan("nepal")), {})
    check_load(record(HALF_WAY), flag(a_plan("employees", "2%", "100%")), HALF_WAY)
    check_load(record(HALF_WAY, killed=True, halted=True), flag(a_plan("100%")), {"india": "5%"})


def test_switching_off_is_at_once_and_switching_on_is_a_new_run() -> None:
    off = record(HALF_WAY, enabled=False)
    assert served(off) == {}
    check_load(record(HALF_WAY), flag(enabled=False), HALF_WAY)  # kept, and nobody is served
    check_load(off, flag(), {})
    check_load(record(HALF_WAY, halted=True, enabled=False), flag(), {})
    check_load(record({}, None, enabled=False), flag(None), ALL)
    check_load(record(HALF_WAY, enabled=False), flag(a_plan("1%"), enabled=False), {"india": "1%"})


def test_taking_the_rollout_out_of_the_file_raises_nobody() -> None:
    check_load(record({"india": "5%"}), flag(None, audience="india"), {"india": "5%"})
    check_load(record(HALF_WAY), flag(None), {})
    check_load(record({"everyone": "1%"}, a_plan("1% of everyone")), flag(None), {"everyone": "1%"})
    check_load(record({"india": "100%"}, a_plan("100%")), flag(None, audience="india"), {"india": "100%"})
    check_load(record({}, a_plan("india")), flag(None, audience="india"), {})
    check_load(record(HALF_WAY), flag(None, rules=(Rule(Match(()), "on"),)), {})


def test_what_was_held_back_when_the_rollout_went_is_still_held_back_after_another_edit() -> None:
    held = record({"india": "5%"}, None, audience="india", halted=True)
    check_load(held, flag(None, audience="india", description="x"), {"india": "5%"})
    check_load(held, flag(None, audience="nepal"), {})
    check_load(held, flag(None), {})
    check_load(held, flag(None, audience="india", salt="other"), {})


def test_a_rollout_that_is_added_keeps_those_whom_its_plan_allows() -> None:
    check_load(record(ALL, None), flag(), {})
    check_load(record(ALL, None), flag(a_plan("1% of everyone", "100% of everyone")), ALL)
    check_load(record(ALL, None), flag(a_plan("1% of everyone")), {"everyone": "1%"})
    check_load(record({"india": "100%"}, None, audience="india"), flag(), {"india": "50%"})


def test_without_a_rollout_the_file_alone_says_who() -> None:
    check_load(record({"india": "100%"}, None, audience="india"), flag(None), ALL)
    check_load(record(ALL, None), flag(None, audience="india"), {"india": "100%"})
    check_load(record(ALL, None), flag(None, locked=True), ALL)
    check_load(record(ALL, None), flag(None, locked=True, audience="india"), {})


def test_another_salt_draws_another_cohort_so_that_only_whole_audiences_keep_the_flag() -> None:
    check_load(record(HALF_WAY), flag(salt="other"), {"employees": "100%"})
    check_load(record(HALF_WAY), flag(bucket_by="account_id"), {"employees": "100%"})
    check_load(record({"india": "5%"}), flag(salt="other"), {})
    check_load(record(ALL, None), flag(None, salt="other"), ALL)
    check_load(record(HALF_WAY, killed=True), flag(salt="other"), {"employees": "100%"})


def test_a_locked_flag_is_never_raised_by_the_file() -> None:
    check_load(record({}, locked=True, enabled=False), flag(locked=True), {})
    check_load(record({}, None, locked=True, enabled=False), flag(None, locked=True), {})
    check_load(record({"india": "1%"}, locked=True), flag(a_plan("100%"), locked=True), {"india": "1%"})


@promise(300)
@given(some_records, some_flags)
def test_loading_a_rollout_never_raises_and_never_lifts(before: FlagRecord, wanted: Flag) -> None:
    after = replace(before, flag=wanted, progress=load_flag(before, wanted))
    assert (after.progress.halted, after.progress.killed) == (before.progress.halted, before.progress.killed)
    if wanted.rollout or (before.flag.rollout and before.flag.enabled):
        assert no_more_than(served(after), served(before))
    if wanted.enabled and before.flag.enabled and wanted.stages != before.flag.stages:
        paths = [[(one.audience, one.share) for one in each.stages] for each in (wanted, before.flag)]
        assert paths[0] == paths[1] or no_more_than(served(after), ceiling(wanted.stages))
    redrawn = (before.flag.salt, before.flag.bucket_by) != (wanted.salt, wanted.bucket_by)
    if redrawn and before.flag.enabled and (wanted.rollout or before.flag.rollout):
        whole = {audience for audience, share in served(before).items() if share == EVERYBODY}
        assert set(served(after)) <= whole
    assert load_flag(after, wanted) == after.progress


def test_moves_name_each_audience_once() -> None:
    before, after = exposure({"employees": "100%", "india": "5%"}), exposure({"india": "1%", "nepal": "1%"})
    assert moves(before, after) == (
        Move("employees", EVERYBODY, NOBODY),
        Move("india", Share.parse("5%"), Share.parse("1%")),
        Move("nepal", NOBODY, Share.parse("1%")),
    )
    assert moves(before, before) == ()


def test_a_plan_says_how_far_it_goes_and_what_comes_next() -> None:
    stages = PLAN.stages
    assert ceiling(stages) == exposure({"employees": "100%", "india": "50%"})
    assert ceiling(()) == {}
    assert stages_done(stages, {}) == 0
    assert stages_done(stages, exposure({"india": "50%"})) == 0
    assert stages_done(stages, exposure({"employees": "100%"})) == 1
    assert stages_done(stages, exposure({"employees": "100%", "india": "4.9%"})) == 2
    assert stages_done(stages, exposure({"employees": "100%", "india": "60%"})) == 4
    assert covered(stages[2], exposure({"india": "5%"}))
    assert not covered(stages[2], exposure({"india": "4.99999999%"}))


def test_nobody_is_no_more_than_anybody() -> None:
    some = exposure({"india": "5%"})
    assert no_more_than({}, some)
    assert no_more_than({}, {})
    assert no_more_than(some, some)
    assert no_more_than({"nepal": NOBODY}, some)
    assert not no_more_than(some, {})
    assert not no_more_than(exposure({"india": "5%", "nepal": "1%"}), exposure({"india": "100%"}))


def test_a_share_reaches_those_that_are_no_larger() -> None:
    for one in (NOBODY, *SHARES):
        for other in (NOBODY, *SHARES):
            assert one.reaches(other) == (one >= other)
