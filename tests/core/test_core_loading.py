"""Loading a whole file: what is refused, what goes on without it, and what it takes with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given

from rollout.core.attributes import Attribute, AttributeType
from rollout.core.changes import served
from rollout.core.definitions import Definitions, FlagFile
from rollout.core.errors import RefusedByRule
from rollout.core.evaluation import compile_ruleset
from rollout.core.flags import Flag, Rule, ValueType
from rollout.core.guards import Guard, GuardAction
from rollout.core.loading import Load, load_file
from rollout.core.plans import Rollout, Stage, no_more_than
from rollout.core.progress import FlagRecord, Progress, State
from rollout.core.progression import Moment
from rollout.core.ruleset import ruleset_in_force
from rollout.core.segments import AttributeCondition, Match, OneOf, Segment, SegmentCondition
from rollout.core.shares import EVERYBODY, Share
from tests.core.promises import promise
from tests.core.strategies import a_few_contexts, compiled, states

MOMENT = Moment(datetime(2026, 11, 23, 9, 0, tzinfo=UTC), timedelta(hours=1))


def flag(key: str, **more: Any) -> Flag:
    words: dict[str, Any] = {"description": "d", "owner": "o", "enabled": True, "salt": key, **more}
    return Flag(key, **words)


def in_country(name: str, country: str) -> Segment:
    return Segment(name, "", (Match((AttributeCondition("country", (OneOf((country,)),)),)),))


def inside(name: str, *segments: str) -> Segment:
    return Segment(name, "", (Match((SegmentCondition(segments),)),))


def file_of(*flags: Flag, segments: tuple[Segment, ...] = (), **more: Any) -> FlagFile:
    definitions = Definitions(
        segments={one.name: one for one in segments}, flags={one.key: one for one in flags}, **more
    )
    return FlagFile("flags.yaml", "digest", "text", definitions)


def loaded(file: FlagFile, state: State | None = None, **more: Any) -> Load:
    state = state or State()
    return load_file(state, file, state.revision + 1, MOMENT, **more)


def after(*files: FlagFile) -> State:
    state = State()
    for file in files:
        state = loaded(file, state).after
    return state


def named(*keys: str) -> FlagFile:
    return file_of(*map(flag, keys))


def check_load(load: Load, changed: str = "", dropped: str = "", archived: str = "") -> None:
    assert (load.changed, load.dropped, load.archived) == (
        tuple(changed.split()), tuple(dropped.split()), tuple(archived.split()),
    )  # fmt: skip


def test_a_load_names_what_it_changes() -> None:
    state = after(named("a", "b", "c"))
    check_load(loaded(named("a", "b", "c")), changed="a b c")
    check_load(loaded(named("a", "b", "c"), state))
    check_load(loaded(named("c", "b", "a"), state))
    check_load(loaded(named("a", "b", "c", "d"), state), changed="d")
    check_load(loaded(file_of(flag("a", enabled=False), flag("b"), flag("c", owner="x")), state), changed="a c")
    check_load(loaded(named("a", "b"), state), changed="c", dropped="c")
    check_load(loaded(named("a", "b"), state, prune=True), dropped="c", archived="c")


def test_a_flag_that_is_missing_goes_on_as_it_was() -> None:
    state = after(named("a", "b", "c"))
    gone = loaded(named("a", "b"), state).after
    assert gone.records["c"] == replace(state.records["c"], in_file=False, revision=2)
    check_load(loaded(named("a", "b"), gone), dropped="c")  # the same again changes nothing
    back = loaded(named("a", "b", "c"), gone)
    check_load(back, changed="c")
    assert back.after.records["c"] == replace(state.records["c"], revision=3)


def test_a_flag_that_did_not_change_keeps_its_revision() -> None:
    state = after(named("a", "b"), named("a", "b", "c"))
    assert {key: record.revision for key, record in state.records.items()} == {"a": 1, "b": 1, "c": 2}
    assert state.revision == 2


def check_refused(file: FlagFile, state: State, message: str, **more: Any) -> None:
    with pytest.raises(RefusedByRule) as refused:
        loaded(file, state, **more)
    assert refused.value.message == message


def test_a_file_that_drops_more_than_half_is_refused() -> None:
    four = after(named("a", "b", "c", "d"))
    check_load(loaded(named("a", "b"), four), changed="c d", dropped="c d")
    check_refused(named("a"), four, "the file drops 3 of 4 flags, more than half")
    check_refused(named("e", "f", "g", "h"), four, "the file drops 4 of 4 flags, more than half")
    check_refused(named(), four, "the file drops 4 of 4 flags, more than half")
    check_refused(named("b"), after(named("a")), "the file drops 1 of 1 flags, more than half")
    check_refused(named("a"), four, "the file drops 3 of 4 flags, more than half", prune=True)
    check_load(loaded(named(), State()))


def test_flags_that_were_missing_before_do_not_count_again() -> None:
    half = after(named("a", "b", "c", "d"), named("a", "b"))
    check_load(loaded(named("a"), half), changed="b", dropped="b c d")
    check_load(loaded(named("a"), half, prune=True), dropped="b c d", archived="b c d")


def test_an_archived_key_is_never_used_again() -> None:
    state = loaded(named("a", "b"), after(named("a", "b", "c", "d")), prune=True).after
    assert state.archived == {"c", "d"}
    assert set(state.records) == {"a", "b"}
    check_refused(named("a", "b", "c"), state, "c: archived, and an archived key is never used again")
    check_refused(named("a", "c", "d"), state, "c, d: archived, and an archived key is never used again")
    check_load(loaded(named("a", "b"), state))


def test_a_flag_that_another_requires_is_not_archived() -> None:
    state = after(file_of(flag("a"), flag("b"), flag("c", requires=("a",))))
    lost = file_of(flag("b"), flag("c", requires=("a",)))
    check_refused(lost, state, "c requires a, which would be archived", prune=True)
    check_load(loaded(lost, state), changed="a", dropped="a")


COUNTRY = {"country": Attribute("country", AttributeType.STRING)}


def test_a_flag_that_goes_on_keeps_all_that_it_rests_upon() -> None:
    guard = Guard("g", "", "m", GuardAction.HALT)
    segments = (
        in_country("india", "IN"),
        inside("beta", "india"),
        in_country("nepal", "NP"),
        in_country("unused", "US"),
    )
    rules = (Rule(Match((SegmentCondition(("beta",)),)), "on"),)
    plan = Rollout("nepal", (Stage("all", "nepal", EVERYBODY, by_segment=True),))
    resting = file_of(
        flag("a"), flag("rests", rules=rules, rollout=plan), segments=segments, attributes=COUNTRY, guards={"g": guard}
    )
    gone = after(resting, named("a"))
    assert list(gone.definitions.segments) == ["nepal", "beta", "india"]
    assert gone.definitions.attributes == COUNTRY
    assert gone.definitions.guards == {"g": guard}
    serve = compile_ruleset(ruleset_in_force(gone), {}).flags["rests"]
    assert (serve({"country": "IN"}).on, serve({"country": "US"}).on) == (True, False)
    again = loaded(named("a"), gone)
    assert again.after.definitions == gone.definitions
    pruned = loaded(named("a"), gone, prune=True).after
    assert pruned.definitions == Definitions()


def test_a_segment_that_the_file_still_defines_is_the_files() -> None:
    rests = flag("rests", audience="india")
    state = after(
        file_of(flag("a"), rests, segments=(in_country("india", "IN"),), attributes=COUNTRY),
        file_of(flag("a"), segments=(in_country("india", "NP"),), attributes=COUNTRY),
    )
    assert state.definitions.segments == {"india": in_country("india", "NP")}


def test_an_edit_of_a_value_that_python_finds_equal_is_an_edit() -> None:
    def limits(value: object) -> FlagFile:
        return file_of(flag("a", type=ValueType.OBJECT, variants={"on": {"x": value}, "off": {}}))

    check_load(loaded(limits(True), after(limits(1))), changed="a")
    check_load(loaded(limits(1.0), after(limits(1))), changed="a")
    check_load(loaded(limits([0]), after(limits([False]))), changed="a")
    check_load(loaded(limits(1), after(limits(1))))


def test_a_load_begins_the_bake_of_what_it_changed_and_of_nothing_else() -> None:
    def plan(*shares: str) -> Flag:
        return flag("a", rollout=Rollout("everyone", tuple(Stage(one, "everyone", Share.parse(one)) for one in shares)))

    state = after(file_of(flag("no-rollout"), plan("50%")))
    assert state.records["no-rollout"].progress.entered_at == MOMENT.at
    assert state.records["a"].progress.entered_at is None
    progress = replace(state.records["a"].progress, exposure={"everyone": Share.parse("50%")}, baking_from=timedelta(0))
    live = replace(state, records={**state.records, "a": replace(state.records["a"], progress=progress)})
    assert loaded(file_of(flag("no-rollout"), plan("50%", "100%")), live).after.records["a"].progress == progress
    lowered = loaded(file_of(flag("no-rollout"), plan("10%")), live).after.records["a"].progress
    assert (lowered.baking_from, lowered.entered_at) == (MOMENT.ticked, MOMENT.at)


def as_file(state: State, **definitions: Any) -> FlagFile:
    flags = {key: record.flag for key, record in state.records.items()}
    return FlagFile("flags.yaml", "d", "t", replace(state.definitions, flags=flags, **definitions))


@promise(300)
@given(states)
def test_reading_the_same_file_again_changes_nothing(state: State) -> None:
    state = replace(state, archived=frozenset())
    first = loaded(as_file(state), state).after
    check_load(loaded(as_file(state), first))
    assert all(record.in_file for record in first.records.values())


@promise(300)
@given(states, a_few_contexts)
def test_a_flag_of_which_the_file_says_nothing_is_served_as_before(
    state: State, contexts: list[dict[str, Any]]
) -> None:
    """The file loses one flag and all segments; what the other flags were does not matter to it."""
    key, kept = next(iter(state.records.items()))
    crowd = [flag(other) for other in ("crowd", *state.records) if other != key]
    bystanders = {one.key: FlagRecord(one, Progress(), 1) for one in crowd}
    full = replace(state, records={key: replace(kept, flag=replace(kept.flag, requires=())), **bystanders})
    gone = loaded(file_of(*crowd), full).after
    assert gone.records[key].progress == kept.progress
    before, later = compiled(full), compiled(gone)
    for context in contexts:
        had, has = before.flags[key](context), later.flags[key](context)
        assert (has.variant, has.because, has.error_code) == (had.variant, had.because, had.error_code)


@promise(300)
@given(states, states)
def test_loading_a_file_never_raises_a_rollout_and_never_lifts(state: State, other: State) -> None:
    before = replace(state, archived=frozenset())
    try:
        result = loaded(as_file(other), before).after
    except RefusedByRule:
        return
    for key, record in result.records.items():
        was = before.records.get(key)
        assert was is None or (record.progress.halted, record.progress.killed) == (
            was.progress.halted,
            was.progress.killed,
        )
        if record.flag.rollout:
            assert no_more_than(served(record), served(was))
