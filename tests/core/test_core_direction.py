"""Which way a change goes, told from the states before and after it."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.core import changes
from rollout.core.approvals import Approvals
from rollout.core.bucketing import bucket
from rollout.core.direction import beyond, by_itself, is_own_step, raises
from rollout.core.evaluation import Answer
from rollout.core.flags import Flag, Rule
from rollout.core.guards import Guard, GuardAction
from rollout.core.plans import Rollout, Stage, stages_done
from rollout.core.progress import Exclusion, FlagRecord, Progress, State, Stop
from rollout.core.segments import (
    EVERYONE,
    AttributeCondition,
    Match,
    MemberList,
    NoneOf,
    OneOf,
    Segment,
    SegmentCondition,
)
from rollout.core.shares import EVERYBODY, NOBODY, Share
from rollout.core.windows import Window
from tests.core import strategies as make
from tests.core.strategies import ATTRIBUTES, MOMENTS, SHARES, Dice, compiled

ABOVE = Share(Fraction(10))
TWO = Approvals(2, ABOVE)
STOP = Stop("ops", MOMENTS[0], "")
STAGES = (
    Stage("employees", "employees", EVERYBODY, timedelta(hours=1), by_segment=True),
    Stage("5%", EVERYONE, Share.parse("5%"), timedelta(hours=24)),
    Stage("50%", EVERYONE, Share.parse("50%"), timedelta(hours=24)),
)
FLAG = Flag("pay", "", "", enabled=True, salt="pay", rollout=Rollout(EVERYONE, STAGES, guards=("errors",)))
ERRORS = Guard("errors", "", "failed", GuardAction.HALT, max_failures=Share.parse("2%"))


def share(text: str) -> Share:
    return Share.parse(text)


def in_country(*countries: str) -> Match:
    return Match((AttributeCondition("country", (OneOf(countries),)),))


def a_state(flag: Flag = FLAG, guards: tuple[Guard, ...] = (ERRORS,), **progress: Any) -> State:
    segments = {
        "employees": Segment("employees", "", members=MemberList("e.txt", "staff", 2)),
        "india": Segment("india", "", (in_country("IN"),)),
    }
    definitions = replace(
        State().definitions,
        attributes=ATTRIBUTES,
        segments=segments,
        guards={guard.name: guard for guard in guards},
        windows={"office": Window("office", "", "UTC")},
        approvals=TWO,
    )
    return State(1, definitions, {flag.key: FlagRecord(flag, Progress(**progress), 1)})


def with_flag(state: State, **fields: Any) -> State:
    record = state.records["pay"]
    return make.with_record(state, replace(record, flag=replace(record.flag, **fields)))


def with_rollout(state: State, **fields: Any) -> State:
    rollout = state.records["pay"].flag.rollout
    assert rollout
    return with_flag(state, rollout=replace(rollout, **fields))


def with_definitions(state: State, **fields: Any) -> State:
    return replace(state, definitions=replace(state.definitions, **fields))


def with_segment(state: State, segment: Segment) -> State:
    return with_definitions(state, segments={**state.definitions.segments, segment.name: segment})


def check(before: State, after: State, *said: str) -> None:
    """What needs a second person."""
    assert [str(one) for one in beyond(TWO, raises(before, after))] == list(said)


HALF = {"employees": EVERYBODY, EVERYONE: share("50%")}
LITTLE = {"employees": EVERYBODY, EVERYONE: share("5%")}


def test_a_share_above_the_bound_needs_more_than_one_person_and_one_below_does_not():
    halted = a_state(exposure=LITTLE, halted=STOP)
    check(halted, a_state(exposure={**LITTLE, EVERYONE: share("10%")}, halted=STOP))
    check(
        halted,
        a_state(exposure={**LITTLE, EVERYONE: share("10.00000001%")}, halted=STOP),
        "pay: 10.00000001% of everyone have it",
    )


def test_lifting_a_kill_gives_it_back_to_all_who_had_it():
    killed = a_state(exposure=HALF, killed=STOP, halted=STOP)
    check(
        killed,
        a_state(exposure=HALF, halted=STOP),
        "pay: 100% of employees have it",
        "pay: 50% of everyone have it",
    )
    check(
        a_state(exposure={EVERYONE: share("5%")}, killed=STOP), a_state(exposure={EVERYONE: share("5%")}, halted=STOP)
    )


def test_to_resume_counts_as_far_as_the_plan_goes_by_itself():
    halted = a_state(exposure=LITTLE, halted=STOP)
    check(halted, a_state(exposure=LITTLE), "pay: it goes on by itself to 50% of everyone")
    asking = with_rollout(halted, stages=(*STAGES[:2], replace(STAGES[2], approval=True)))
    check(asking, make.with_progress(asking, "pay", halted=None))


def test_a_plan_that_goes_further_by_itself_needs_more_than_one_person():
    short = with_rollout(a_state(exposure=LITTLE), stages=STAGES[:2])
    check(short, a_state(exposure=LITTLE), "pay: it goes on by itself to 50% of everyone")
    check(a_state(exposure=LITTLE), short)


def test_a_new_flag_counts_as_far_as_it_goes_by_itself():
    nothing = replace(a_state(), records={})
    check(
        nothing,
        a_state(),
        "pay: it goes on by itself to 100% of employees",
        "pay: it goes on by itself to 50% of everyone",
    )
    check(nothing, with_flag(a_state(), enabled=False))
    ruled = with_flag(a_state(), rollout=None, rules=(Rule(in_country("IN"), "on"),))
    check(nothing, ruled, "pay: its rules begin to serve")


def test_the_steps_that_a_plan_takes_by_itself_were_decided_with_it():
    before, after = a_state(exposure=LITTLE).records["pay"], a_state(exposure=HALF).records["pay"]
    assert is_own_step(before, after)
    assert not is_own_step(replace(before, progress=replace(before.progress, halted=STOP)), after)
    asking = with_rollout(a_state(exposure=LITTLE), stages=(*STAGES[:2], replace(STAGES[2], approval=True)))
    assert not is_own_step(
        asking.records["pay"], replace(asking.records["pay"], progress=replace(before.progress, exposure=HALF))
    )


RULED = with_flag(
    a_state(exposure=LITTLE),
    rules=(Rule(in_country("US"), "off"), Rule(in_country("IN", "GB"), "on"), Rule(in_country("GB"), "off")),
)
SAID = "pay: its rules serve others"


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (((("US",), "off"), (("IN",), "on"), (("GB",), "off")), []),
        (((("US",), "off"), (("GB",), "off")), []),
        (((("US", "GB"), "off"), (("IN", "GB"), "on"), (("GB",), "off")), []),
        (((("GB",), "off"), (("US",), "off"), (("IN", "GB"), "on"), (("GB",), "off")), []),
        (((("US",), "off"), (("IN", "GB", "US"), "on"), (("GB",), "off")), [SAID]),
        (((("US",), "off"), (("IN", "GB"), "on")), [SAID]),
        (((("IN", "GB"), "on"), (("US",), "off"), (("GB",), "off")), [SAID]),
        (((("US",), "off"), (("IN", "GB"), "on"), (("US",), "on"), (("GB",), "off")), [SAID]),
    ],
)
def test_on_side_rules_may_narrow_or_go_and_off_side_rules_may_widen_or_come(rules, said):
    check(RULED, with_flag(RULED, rules=tuple(Rule(in_country(*names), serve) for names, serve in rules)), *said)


def test_widening_a_segment_raises_whatever_rests_upon_it():
    ruled = with_flag(a_state(), rules=(Rule(Match((SegmentCondition(("india",)),)), "on"),))
    check(ruled, with_segment(ruled, Segment("india", "", (in_country("IN", "GB"),))), SAID)
    check(ruled, with_segment(ruled, Segment("india", "", (in_country("IN"), in_country("GB")))), SAID)
    longer = Match((*in_country("IN").conditions, AttributeCondition("premium", (OneOf((True,)),))))
    check(ruled, with_segment(ruled, Segment("india", "another text", (longer,))))
    staged = a_state(exposure=LITTLE)
    more = Segment("employees", "", members=MemberList("e.txt", "testers", 3))
    check(
        staged,
        with_segment(staged, more),
        "pay: 100% of employees have it",
    )
    assert not raises(staged, with_segment(staged, more), lambda *_: True)


def test_narrowing_a_segment_raises_those_that_are_served_outside_of_it():
    ruled = with_flag(a_state(), rules=(Rule(Match((SegmentCondition(("india",), negated=True),)), "on"),))
    nobody = Segment("india", "", (Match((AttributeCondition("country", (NoneOf(("IN", "GB", "US")),)),)),))
    check(ruled, with_segment(ruled, nobody), SAID)
    check(ruled, with_segment(ruled, Segment("india", "", (in_country("IN", "GB"),))))


def test_a_wider_audience_counts_as_far_as_its_share():
    little = with_rollout(
        a_state(exposure={"india": share("5%")}, halted=STOP), stages=(Stage("5%", "india", share("5%")),)
    )
    wider = with_segment(little, Segment("india", "", (in_country("IN", "GB"),)))
    check(little, wider)
    assert [one.to for one in raises(little, wider)] == [share("5%")]


FAR = {"employees": EVERYBODY, EVERYONE: share("50%")}
WATCHED = a_state(exposure=LITTLE)


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (with_rollout(WATCHED, guards=()), "guard errors no longer watches it"),
        (
            with_rollout(WATCHED, guards=(), stages=(STAGES[0], replace(STAGES[1], guards=("errors",)), STAGES[2])),
            "guard errors begins to watch it later",
        ),
        (
            with_definitions(WATCHED, guards={"errors": replace(ERRORS, max_failures=share("3%"))}),
            "guard errors is looser, or another",
        ),
        (
            with_definitions(WATCHED, guards={"errors": replace(ERRORS, action=GuardAction.WARN)}),
            "guard errors is looser, or another",
        ),
        (
            with_definitions(WATCHED, guards={"errors": replace(ERRORS, min_samples=10**6)}),
            "guard errors is looser, or another",
        ),
        (with_rollout(WATCHED, stages=(STAGES[0], STAGES[2])), "stage 5% is no longer on the way"),
        (
            with_rollout(WATCHED, stages=(STAGES[0], replace(STAGES[1], bake=timedelta(hours=1)), STAGES[2])),
            "stage 5% bakes shorter",
        ),
    ],
)
def test_a_protection_of_a_plan_that_goes_far_is_not_lost_on_one_persons_word(after, said):
    check(WATCHED, after, f"pay: {said}")
    near = with_rollout(WATCHED, stages=STAGES[1:2])
    assert not beyond(TWO, raises(make.with_progress(near, "pay", exposure={}), make.with_progress(near, "pay")))


def test_stricter_guards_and_longer_ways_need_nobody():
    for after in (
        with_definitions(WATCHED, guards={"errors": replace(ERRORS, max_failures=share("1%"), description="x")}),
        with_definitions(WATCHED, guards={"errors": replace(ERRORS, action=GuardAction.KILL)}),
        with_rollout(WATCHED, guards=("errors", "more")),
        with_rollout(WATCHED, windows=("office",)),
        with_rollout(
            WATCHED, stages=(*STAGES[:2], Stage("7%", EVERYONE, share("7%")), replace(STAGES[2], approval=True))
        ),
    ):
        assert raises(WATCHED, after) == ()


def test_taking_away_an_approval_lets_the_plan_go_on():
    asking = with_rollout(WATCHED, stages=(*STAGES[:2], replace(STAGES[2], approval=True)))
    check(
        asking,
        WATCHED,
        "pay: it goes on by itself to 50% of everyone",
        "pay: stage 50% begins without approval",
    )


def test_a_window_that_is_left_out_or_another_is_a_protection_lost():
    kept = with_rollout(WATCHED, windows=("office",))
    check(kept, WATCHED, "pay: it no longer keeps to window office")
    wider = with_definitions(kept, windows={"office": Window("office", "", "UTC", days=("mon",))})
    check(wider, kept, "pay: window office is another")


def test_unlocking_needs_more_than_one_person():
    locked = with_flag(a_state(halted=STOP), locked=True)
    check(locked, with_flag(locked, locked=False), "pay: it is unlocked")


def test_those_whom_a_guard_excluded_come_back_as_far_as_it_goes():
    out = Exclusion("country", "IN", "errors", STOP)
    check(
        a_state(exposure={EVERYONE: share("50%")}, excluded=(out,), halted=STOP),
        a_state(exposure={EVERYONE: share("50%")}, halted=STOP),
        "pay: those with country IN are no longer excluded",
    )
    twice = (out, replace(out, guard="another"))
    assert raises(a_state(exposure=HALF, excluded=twice), a_state(exposure=HALF, excluded=twice[:1])) == ()


def test_what_is_served_counts_too():
    live = a_state(exposure=HALF)
    check(
        live,
        with_flag(live, variants={"on": True, "off": True}),
        "pay: those who do not have it are served another value",
    )
    check(live, with_flag(live, salt="again"), "pay: another cohort is drawn")
    hidden = with_flag(live, client=False)
    check(hidden, live, "pay: apps may see it")
    check(live, hidden)


def test_those_that_require_it_rise_with_it():
    child = FlagRecord(
        Flag("cards", "", "", enabled=True, salt="cards", requires=("pay",)), Progress({EVERYONE: EVERYBODY}), 1
    )
    before = make.with_record(a_state(exposure=LITTLE, halted=STOP), child)
    after = make.with_record(a_state(exposure=HALF, halted=STOP), child)
    check(before, after, "pay: 50% of everyone have it", "cards: it requires pay, which more people have")
    alone = replace(child, flag=replace(child.flag, requires=()))
    check(before, make.with_record(before, alone), "cards: it no longer requires pay")
    check(make.with_record(before, alone), before)


def test_asking_for_fewer_approvals_needs_them():
    state = a_state()
    for fewer in (None, Approvals(2, share("20%"))):
        check(state, with_definitions(state, approvals=fewer), "fewer approvals are asked for")
    assert raises(state, with_definitions(state, approvals=Approvals(3, share("1%")))) == ()
    assert raises(with_definitions(state, approvals=None), state) == ()


# What follows makes one state from another, at random.

many_contexts = make.made(lambda dice: [make.a_context(dice) for _ in range(30)])


def _of_some_flag(dice: Dice, state: State, change: Callable[[FlagRecord], FlagRecord]) -> State:
    return make.with_record(state, change(state.records[dice.one(tuple(state.records))]))


def _progress(dice: Dice, state: State, change: Callable[[FlagRecord], Progress]) -> State:
    return _of_some_flag(dice, state, lambda record: replace(record, progress=change(record)))


def _flag(dice: Dice, state: State, change: Callable[[Flag], Flag]) -> State:
    return _of_some_flag(dice, state, lambda record: replace(record, flag=change(record.flag)))


def kill(dice: Dice, state: State) -> State:
    return _progress(dice, state, lambda record: changes.kill(record, STOP))


def halt(dice: Dice, state: State) -> State:
    return _progress(dice, state, lambda record: replace(record.progress, halted=STOP))


def lower(dice: Dice, state: State) -> State:
    def lowered(record: FlagRecord) -> Progress:
        least = {name: min(live, dice.one(SHARES)) for name, live in record.progress.exposure.items()}
        return replace(record.progress, exposure=dict(dice.some(tuple(least.items()), 3, 0)), halted=STOP)

    return _progress(dice, state, lowered)


def exclude(dice: Dice, state: State) -> State:
    return _progress(
        dice, state, lambda r: replace(r.progress, excluded=(*r.progress.excluded, make.an_exclusion(dice)))
    )


def disable(dice: Dice, state: State) -> State:
    return _flag(dice, state, lambda flag: replace(flag, enabled=False))


def lock(dice: Dice, state: State) -> State:
    return _flag(dice, state, lambda flag: replace(flag, locked=True))


def require(dice: Dice, state: State) -> State:
    keys = tuple(state.records)
    return _flag(dice, state, lambda flag: replace(flag, requires=(*flag.requires, dice.one(keys))))


def hide(dice: Dice, state: State) -> State:
    return _flag(dice, state, lambda flag: replace(flag, client=False, tags=("x",), description="y"))


def drop_an_on_rule(dice: Dice, state: State) -> State:
    def fewer(flag: Flag) -> Flag:
        if flag.rollout is None and len(flag.rules) == 1:  # without any, the audience or everybody would have it
            return flag
        gone = [rule for rule in flag.rules if isinstance(rule.serve, str) and rule.serve != flag.off][:1]
        return replace(flag, rules=tuple(rule for rule in flag.rules if rule not in gone))

    return _flag(dice, state, fewer)


def add_an_off_rule(dice: Dice, state: State) -> State:
    def more(flag: Flag) -> Flag:
        if flag.off is None:
            return flag
        rule, place = Rule(make.a_match(dice, tuple(state.definitions.segments)), flag.off), len(dice.upto(2))
        return replace(flag, rules=(*flag.rules[:place], rule, *flag.rules[place:]))

    return _flag(dice, state, more)


def narrow_on_rules(dice: Dice, state: State) -> State:
    condition = make.a_condition(dice)

    def narrowed(flag: Flag) -> Flag:
        rules = [
            replace(rule, match=Match((*rule.match.conditions, condition)))
            if isinstance(rule.serve, str) and rule.serve != flag.off
            else rule
            for rule in flag.rules
        ]
        return replace(flag, rules=tuple(rules))

    return _flag(dice, state, narrowed)


LOWERING = (
    kill,
    halt,
    lower,
    exclude,
    disable,
    lock,
    require,
    hide,
    drop_an_on_rule,
    add_an_off_rule,
    narrow_on_rules,
)


def revive(dice: Dice, state: State) -> State:
    return _progress(dice, state, lambda record: replace(record.progress, killed=None))


def resume(dice: Dice, state: State) -> State:
    return _progress(dice, state, lambda record: replace(record.progress, halted=None))


def set_shares(dice: Dice, state: State) -> State:
    def moved(record: FlagRecord) -> Progress:
        audiences = [stage.audience for stage in record.flag.stages] or [EVERYONE]
        return replace(record.progress, exposure={**record.progress.exposure, dice.one(audiences): dice.one(SHARES)})

    return _progress(dice, state, moved)


def readmit(dice: Dice, state: State) -> State:
    return _progress(dice, state, lambda record: replace(record.progress, excluded=record.progress.excluded[1:]))


def another_flag(dice: Dice, state: State) -> State:
    """One field of a flag becomes what it is in another one."""
    key = dice.one(tuple(state.records))
    earlier = tuple(state.records)[: tuple(state.records).index(key)]
    other = make.a_flag(dice, key, earlier, tuple(state.definitions.segments))
    fields = dice.one(
        (
            ("enabled",),
            ("type", "variants", "off", "on", "rules"),
            ("salt",),
            ("bucket_by",),
            ("requires",),
            ("rollout", "audience"),
            ("locked",),
            ("client",),
        )
    )
    record = state.records[key]
    changed = replace(record.flag, **{field: getattr(other, field) for field in fields})
    return make.with_record(state, replace(record, flag=changed))


def another_rule(dice: Dice, state: State) -> State:
    def ruled(flag: Flag) -> Flag:
        rule = Rule(make.a_match(dice, tuple(state.definitions.segments)), make.a_serving(dice, tuple(flag.variants)))
        return replace(
            flag, rules=dice.one(((rule, *flag.rules), (*flag.rules, rule), flag.rules[1:], flag.rules[::-1]))
        )

    return _flag(dice, state, ruled)


def another_serving(dice: Dice, state: State) -> State:
    return _flag(dice, state, lambda flag: replace(flag, on=make.a_serving(dice, tuple(flag.variants))))


def another_off_side(dice: Dice, state: State) -> State:
    return _flag(dice, state, lambda flag: replace(flag, off=dice.one((None, *flag.variants))))


def another_segment(dice: Dice, state: State) -> State:
    names = tuple(state.definitions.segments)
    if not names:
        return state
    name = dice.one(names)
    segment = state.definitions.segments[name]
    fresh = make.a_segment(dice, name, names[: names.index(name)])
    if segment.matches and fresh.matches:
        fresh = replace(
            segment, matches=dice.one(((*segment.matches, *fresh.matches), segment.matches[1:] or fresh.matches))
        )
    return replace(state, definitions=replace(state.definitions, segments={**state.definitions.segments, name: fresh}))


def another_attribute(dice: Dice, state: State) -> State:
    name = dice.one(("country", "app_version", "account_id"))
    changed = replace(ATTRIBUTES[name], type=dice.one((ATTRIBUTES["app_version"].type, ATTRIBUTES["country"].type)))
    return replace(
        state, definitions=replace(state.definitions, attributes={**ATTRIBUTES, name: replace(changed, values=())})
    )


def a_new_flag(dice: Dice, state: State) -> State:
    return make.with_record(
        state, make.a_record(dice, "flag-new", tuple(state.records), tuple(state.definitions.segments))
    )


ANY = (
    *LOWERING,
    revive,
    resume,
    set_shares,
    readmit,
    another_flag,
    another_rule,
    another_serving,
    another_off_side,
    another_segment,
    another_attribute,
    a_new_flag,
)


def changed(dice: Dice, state: State, kinds: tuple[Callable[[Dice, State], State], ...]) -> State:
    for kind in dice.some(kinds, 2):
        state = kind(dice, state)
    return state


@settings(deadline=None)
@given(make.states, make.seeds)
def test_a_change_that_lowers_everywhere_needs_nobody(before, seed):
    after = changed(Dice(seed), before, LOWERING)
    assert raises(before, after) == ()


@settings(deadline=None)
@given(make.states)
def test_what_changes_nothing_raises_nothing(state):
    assert raises(state, state) == ()
    assert raises(state, replace(state, definitions=replace(state.definitions), records=dict(state.records))) == ()


def each_change(before: State, seed: int) -> Iterator[State]:
    dice = Dice(seed)
    for kind in ANY:
        yield kind(dice, before)
    yield changed(dice, before, ANY)


def those_who_gain(
    before: State, after: State, people: list[dict[str, Any]]
) -> Iterator[tuple[FlagRecord, int, Answer]]:
    """Of flags that require no other, since whoever gains those gains the other one first: the flag, in which bucket
    they are, and what they are answered."""
    had, has = compiled(before).flags, compiled(after).flags
    for (key, record), context in itertools.product(after.records.items(), people):
        answer = has[key](context)
        if answer.on and not record.flag.requires and not (key in had and had[key](context).on):
            yield record, bucket(record.flag.salt, str(context.get(record.flag.bucket_by))), answer


@settings(max_examples=150, deadline=None)
@given(make.states, make.seeds, many_contexts)
def test_nobody_gets_a_flag_without_its_being_said_how_far_it_goes(before, seed, people):
    for after in each_change(before, seed):
        said: dict[str, Share] = {}
        for one in raises(before, after):
            said[one.flag] = max(one.to, said.get(one.flag, NOBODY))
        for record, place, answer in those_who_gain(before, after, people):
            to = said[record.flag.key]
            assert to == EVERYBODY or (answer.because.startswith("stage") and place < to.threshold)


@settings(max_examples=60, deadline=None)
@given(make.states, make.seeds, many_contexts, st.sampled_from([NOBODY, ABOVE, share("50%")]))
def test_whoever_gains_above_the_bound_gains_by_more_than_one_persons_word(before, seed, people, above):
    for after in each_change(before, seed):
        asked = {one.flag for one in beyond(Approvals(2, above), raises(before, after))}
        for record, place, _ in those_who_gain(before, after, people):
            assert place < above.threshold or record.flag.key in asked


@settings(max_examples=60, deadline=None)
@given(make.states, make.seeds, many_contexts)
def test_those_that_require_another_gain_nobody_unsaid(before, seed, people):
    for after in each_change(before, seed):
        said = {one.flag for one in raises(before, after)}
        had, has = compiled(before).flags, compiled(after).flags
        for key, context in itertools.product(after.records, people):
            if has[key](context).on and not (key in had and had[key](context).on):
                assert key in said


@settings(deadline=None)
@given(make.states, make.seeds)
def test_the_controllers_steps_never_go_further_than_was_said_when_the_plan_came(before, seed):
    after = changed(Dice(seed), before, ANY)
    told: dict[tuple[str, str], Share] = {}
    for key, record in after.records.items():
        for audience, to in by_itself(record).items():
            told[key, audience] = to
    for key, first in after.records.items():
        record = first
        while stages_done(record.flag.stages, record.progress.exposure) < len(record.flag.stages):
            stage = stages_done(record.flag.stages, record.progress.exposure)
            stepped = replace(record, progress=changes.enter(record, stage))
            if not is_own_step(record, stepped):
                break
            record = stepped
            assert all(told[key, name] >= to for name, to in by_itself(record).items())


@settings(deadline=None)
@given(make.states, make.guards, st.sampled_from([None, "IN"]))
def test_a_guards_action_never_raises(before, guard, value):
    guard = replace(guard, by="country" if value or guard.action is GuardAction.EXCLUDE else None)
    for record in before.records.values():
        if record.flag.rollout is not None:
            progress = changes.guarded(record, guard, value, STOP)
            assert raises(before, make.with_record(before, replace(record, progress=progress))) == ()
