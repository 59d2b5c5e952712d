"""Evaluation: the order of decisions, cohorts that only grow, and compiling a part that equals compiling all."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import mmh3
from hypothesis import given
from hypothesis import strategies as st

from rollout.core.bucketing import bucket
from rollout.core.changes import halt, kill, revive
from rollout.core.dependencies import needed_first
from rollout.core.documents import read_record, record_document
from rollout.core.evaluation import Answer, ErrorCode, Evaluate, Evaluator, compile_ruleset
from rollout.core.flags import Flag
from rollout.core.plans import Rollout, Stage
from rollout.core.progress import FlagRecord, Progress, State
from rollout.core.ruleset import Admission, FlagRules, Ruleset, rules_in_force, ruleset_in_force
from rollout.core.segments import EVERYONE, AttributeCondition, Match, MemberList, OneOf, Segment
from rollout.core.shares import EVERYBODY, HASHES, Share
from tests.core.promises import promise
from tests.core.reference import who_has
from tests.core.strategies import (
    ATTRIBUTES,
    MEMBERS,
    PEOPLE,
    SHARES,
    Dice,
    a_context,
    a_few_contexts,
    a_record,
    a_segment,
    a_stop,
    compiled,
    seeds,
    states,
    with_progress,
    with_record,
)

Contexts = list[dict[str, Any]]


def in_a_word(answer: Answer) -> str:
    return "stage" if answer.because.startswith("stage ") else answer.because


@promise(500)
@given(states, a_few_contexts)
def test_everybody_is_served_what_the_slow_reading_of_the_contract_says(state: State, contexts: Contexts) -> None:
    evaluator = compiled(state)
    for context in contexts:
        for key, record in state.records.items():
            answer = evaluator.flags[key](context)
            variant, why = who_has(state, key, context)
            assert (answer.variant, in_a_word(answer)) == (variant, why)
            assert answer.on == (variant != record.flag.off and why != "no targeting key")
            assert answer.value == (None if variant is None else record.flag.variants[variant])
            assert (answer.error_code is not None) == (why == "no targeting key")


def flag_on_a_way(share: Share, *, salt: str = "payments", **more: Any) -> FlagRecord:
    """A flag that a share of everyone has."""
    stages = (Stage("1%", EVERYONE, Share.parse("1%")), Stage("100%", EVERYONE, EVERYBODY))
    flag = Flag("payments", "d", "o", True, salt=salt, rollout=Rollout(EVERYONE, stages), **more)
    return FlagRecord(flag, Progress(exposure={EVERYONE: share}), 1)


def asked(record: FlagRecord) -> Evaluate:
    ruleset = Ruleset(1, {}, {}, {record.flag.key: rules_in_force(record)})
    return compile_ruleset(ruleset, {}).flags[record.flag.key]


def cohort(record: FlagRecord, people: int = 20_000) -> set[int]:
    ask = asked(record)
    return {number for number in range(people) if ask({"user_id": f"u-{number}"}).on}


def test_of_a_million_people_one_percent_is_ten_thousand() -> None:
    people, share = 1_000_000, Share.parse("1%")
    threshold, widest = share.threshold, Share.parse("5%").threshold
    places = [mmh3.hash(f"payments:u-{number}", 0, signed=False) for number in range(people)]
    admitted = sum(place < threshold for place in places)
    assert abs(admitted - 10_000) < 5 * (people * 0.01 * 0.99) ** 0.5
    assert abs(sum(place < widest for place in places) - 50_000) < 5 * (people * 0.05 * 0.95) ** 0.5
    assert cohort(flag_on_a_way(share)) == {number for number in range(20_000) if places[number] < threshold}


def test_everyone_in_one_percent_is_in_five() -> None:
    cohorts = [cohort(flag_on_a_way(share), 5000) for share in sorted(SHARES)]
    assert all(fewer <= more for fewer, more in pairwise(cohorts))
    assert len(cohorts[0]) <= 1
    assert len(cohorts[-1]) == 5000


def test_the_cohorts_of_two_flags_are_independent() -> None:
    half = Share.parse("50%")
    payments, wallet = cohort(flag_on_a_way(half)), cohort(flag_on_a_way(half, salt="wallet"))
    assert abs(len(payments & wallet) - 5000) < 5 * (20_000 * 0.25 * 0.75) ** 0.5


def test_a_cohort_stays_through_a_new_description_a_halt_a_kill_and_a_restart() -> None:
    record = flag_on_a_way(Share.parse("10%"))
    before, stop = cohort(record), a_stop(Dice(0))
    assert cohort(replace(record, flag=replace(record.flag, description="renamed", owner="x", tags=("t",)))) == before
    halted = replace(record, progress=halt(record, stop))
    assert cohort(halted) == before
    killed = replace(halted, progress=kill(halted, stop))
    assert cohort(killed) == set()
    assert cohort(replace(killed, progress=revive(killed, stop))) == before
    assert cohort(read_record(record_document(record))) == before
    assert cohort(replace(record, revision=99, in_file=False)) == before


@promise(300)
@given(states, a_few_contexts, seeds)
def test_raising_a_share_never_removes_a_subject(state: State, contexts: Contexts, seed: int) -> None:
    """Of that flag. Another flag may have a rule or a variant for those who have it."""
    dice, before = Dice(seed), compiled(state)
    key = dice.one(sorted(state.records))
    record = state.records[key]
    exposure = dict(record.progress.exposure)
    for stage in record.flag.stages:
        exposure[stage.audience] = max(exposure.get(stage.audience, SHARES[0]), dice.one(SHARES))
    after = compiled(with_progress(state, key, exposure=exposure))
    for context in contexts:
        if before.flags[key](context).on:
            assert after.flags[key](context).on


@promise(150)
@given(states, a_few_contexts, seeds)
def test_what_says_nothing_about_who_changes_nobody(state: State, contexts: Contexts, seed: int) -> None:
    dice, before = Dice(seed), compiled(state)
    key = dice.one(sorted(state.records))
    record = state.records[key]
    flag = replace(
        record.flag, description="x", owner="y", tags=("z",), expires=None, locked=not record.flag.locked, client=False
    )
    progress = replace(record.progress, halted=a_stop(dice), entered_at=None, baking_from=None)
    after = compiled(with_record(state, replace(record, flag=flag, progress=progress, in_file=False, revision=99)))
    for context in contexts:
        for other in state.records:
            assert told(after.flags[other](context)) == told(before.flags[other](context))


def told(answer: Answer) -> tuple[object, ...]:
    return (
        answer.flag, answer.on, answer.variant, answer.value, answer.reason, answer.because,
        answer.error_code, answer.error,
    )  # fmt: skip


def check_same(one: Evaluator, other: Evaluator, contexts: Contexts) -> None:
    assert list(one.flags) == list(other.flags)
    for context in contexts:
        for key in one.flags:
            assert told(one.flags[key](context)) == told(other.flags[key](context)), key
        alone = [flag(context) for flag in one.flags.values()]
        assert [(*told(answer), answer.drawn) for answer in one.all(context)] == [
            (*told(answer), answer.drawn) for answer in alone
        ]


@promise(200)
@given(states, a_few_contexts, st.lists(seeds, min_size=1, max_size=4))
def test_compiling_what_changed_equals_compiling_everything(state: State, contexts: Contexts, edits: list[int]) -> None:
    """Flags change, come and go, also those that others require; unchanged flags keep the very object of before."""
    rules: dict[str, FlagRules] = dict(ruleset_in_force(state).flags)
    definitions = state.definitions
    ruleset = Ruleset(1, definitions.attributes, definitions.segments, rules)
    evaluator = compile_ruleset(ruleset, MEMBERS)
    for seed in edits:
        dice = Dice(seed)
        key = dice.one([*rules, "flag-new"])
        rules = dict(rules)
        if dice.chance(3):
            rules.pop(key, None)
        else:
            rules[key] = rules_in_force(a_record(dice, key, sorted({*rules} - {key})[:2], tuple(definitions.segments)))
        ruleset = Ruleset(ruleset.revision + 1, definitions.attributes, definitions.segments, rules)
        evaluator = compile_ruleset(ruleset, MEMBERS, evaluator)
        check_same(evaluator, compile_ruleset(ruleset, MEMBERS), contexts)


@promise(100)
@given(seeds)
def test_all_together_answer_as_each_alone_while_flags_of_the_same_audiences_change(seed: int) -> None:
    dice = Dice(seed)
    audiences = tuple(name for name in ("seg-0", "seg-1", EVERYONE) if not dice.chance(4))
    segments = {name: a_segment(dice, name) for name in ("seg-0", "seg-1")}

    def a_plain_flag(key: str) -> FlagRules:
        own = audiences if dice.chance(2) else audiences[:1]
        admissions = tuple(Admission(name, dice.one(SHARES), "s", by_segment=False) for name in own)
        plain = rules_in_force(FlagRecord(Flag(key, "d", "o", not dice.chance(5)), Progress(), 1))
        return replace(plain, admissions=admissions, salt=key, bucket_by=dice.one(("user_id", "account_id")))

    rules = {f"f{number}": a_plain_flag(f"f{number}") for number in range(8)}
    people = [a_context(dice) for _ in range(6)]
    evaluator = compile_ruleset(Ruleset(1, ATTRIBUTES, segments, rules), MEMBERS)
    for number in range(6):
        check_same(evaluator, evaluator, people)
        key = dice.one([*rules, f"g{number}"])
        others = {name: one for name, one in rules.items() if name != key}
        rules = others if dice.chance(4) else {**rules, key: a_plain_flag(key)}
        ground = evaluator.ruleset
        evaluator = compile_ruleset(replace(ground, flags=rules), MEMBERS, evaluator)


@promise(100)
@given(states, a_few_contexts)
def test_other_ground_is_compiled_anew(state: State, contexts: Contexts) -> None:
    ruleset = ruleset_in_force(state)
    moved = replace(
        ruleset, segments={name: replace(one, matches=(), members=None) for name, one in ruleset.segments.items()}
    )
    evaluator = compile_ruleset(moved, MEMBERS, compile_ruleset(ruleset, MEMBERS))
    check_same(evaluator, compile_ruleset(moved, MEMBERS), contexts)


def test_an_unchanged_flag_is_not_compiled_again() -> None:
    kept, edited = (rules_in_force(replace(flag_on_a_way(EVERYBODY), flag=Flag(key, "d", "o", True))) for key in "ab")
    leans = replace(kept, key="c", requires=("b",))
    first = compile_ruleset(Ruleset(1, {}, {}, {"a": kept, "b": edited, "c": leans}), {})
    again = {"a": kept, "b": replace(edited, enabled=False), "c": leans}
    second = compile_ruleset(Ruleset(2, first.ruleset.attributes, first.ruleset.segments, again), {}, first)
    assert second.flags["a"] is first.flags["a"]
    assert second.flags["b"] is not first.flags["b"]
    assert second.flags["c"] is not first.flags["c"]
    assert (first.flags["c"]({}).on, second.flags["c"]({}).on) == (True, False)


def test_what_others_require_may_change_come_and_go_and_they_follow() -> None:
    """Two lean on each other in a circle, and are broken whatever the order in which they were compiled."""
    plain = rules_in_force(replace(flag_on_a_way(EVERYBODY), flag=Flag("base", "d", "o", True)))
    leans = {key: replace(plain, key=key, requires=(other,)) for key, other in ("ab", "bc", ("c", "base"))}
    round_and_round = {key: replace(plain, key=key, requires=(other,)) for key, other in ("xy", "yx")}
    evaluator = compile_ruleset(Ruleset(1, {}, {}, {**leans, **round_and_round}), {})
    ground = evaluator.ruleset
    for base in ({"base": plain}, {}, {"base": replace(plain, enabled=False)}, {"base": plain}):
        ruleset = replace(ground, flags={**leans, **base, **round_and_round})
        evaluator = compile_ruleset(ruleset, {}, evaluator)
        check_same(evaluator, compile_ruleset(ruleset, {}), [{"user_id": "u-1"}])
        assert [evaluator.flags[key]({}).on for key in "abc"] == [base == {"base": plain}] * 3
    ruleset = replace(ruleset, flags={**ruleset.flags, "y": replace(round_and_round["y"], enabled=False)})
    check_same(compile_ruleset(ruleset, {}, evaluator), compile_ruleset(ruleset, {}), [{}])


def test_where_a_segment_is_broken_all_flags_together_answer_as_each_alone() -> None:
    def to(audience: str) -> FlagRules:
        admissions = (Admission(audience, Share.parse("50%"), "s", by_segment=False),)
        return replace(rules_in_force(flag_on_a_way(EVERYBODY)), key=audience, admissions=admissions)

    nonsense = Segment("b", "d", (Match((AttributeCondition("x", (OneOf(([],)),)),)),))
    segments = {"a": Segment("a", "d", (Match(()),)), "b": nonsense}
    evaluator = compile_ruleset(Ruleset(1, {}, segments, {key: to(key) for key in ("a", "b", "gone")}), {})
    for who in range(20):
        context = {"user_id": f"u-{who}"}
        answers = evaluator.all(context)
        assert [told(answer) for answer in answers] == [told(flag(context)) for flag in evaluator.flags.values()]
        assert [answer.error_code for answer in answers] == [None, ErrorCode.GENERAL, ErrorCode.GENERAL]


def test_together_each_segment_is_asked_once_and_only_where_somebody_needs_it() -> None:
    asked_of: list[str] = []

    class Listed(frozenset[str]):
        def __contains__(self, who: object) -> bool:
            asked_of.append(str(who))
            return super().__contains__(who)

    segments = {name: Segment(name, "d", members=MemberList("f", name, 1)) for name in ("used", "unused")}
    admissions = (Admission("used", EVERYBODY, "s", by_segment=True),)
    rules = {
        key: replace(rules_in_force(flag_on_a_way(EVERYBODY)), key=key, admissions=admissions)
        for key in ("a", "b", "c")
    }
    evaluator = compile_ruleset(Ruleset(1, {}, segments, rules), {"used": Listed({"u-1"}), "unused": Listed()})
    assert [answer.on for answer in evaluator.all({"user_id": "u-1"})] == [True] * 3
    assert asked_of == ["u-1"]


def test_asking_makes_no_objects() -> None:
    ask = asked(flag_on_a_way(Share.parse("50%")))
    answers = {id(ask({"user_id": who})) for who in (*PEOPLE, *(f"u-{number}" for number in range(100)))}
    assert len(answers) == 2


def test_thousands_of_flags_in_a_chain_are_compiled_and_asked() -> None:
    def chained(number: int) -> FlagRules:
        flag = Flag(f"f{number}", "d", "o", True, requires=(f"f{number + 1}",) if number < 4999 else ())
        return rules_in_force(FlagRecord(flag, Progress({EVERYONE: EVERYBODY}), 1))

    evaluator = compile_ruleset(Ruleset(1, {}, {}, {f"f{number}": chained(number) for number in range(5000)}), {})
    assert evaluator.flags["f4999"]({}).on
    assert evaluator.flags["f4800"]({}).on
    assert evaluator.flags["f0"]({}).flag == "f0"  # too long to follow: off or on, but answered
    off = {**evaluator.ruleset.flags, "f4999": replace(chained(4999), enabled=False)}
    after = compile_ruleset(replace(evaluator.ruleset, flags=off), {}, evaluator)
    assert not any(after.flags[key]({}).on for key in ("f4800", "f4999"))


def check_needed_first(links: dict[str, list[str]], order: str) -> None:
    assert needed_first(links) == order.split()


def test_what_others_need_comes_first() -> None:
    check_needed_first({}, "")
    check_needed_first({"a": []}, "a")
    check_needed_first({"a": ["b"], "b": ["c"], "c": []}, "c b a")
    check_needed_first({"a": [], "b": ["a"], "c": ["b", "a"]}, "a b c")
    check_needed_first({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}, "d c b a")
    check_needed_first({"a": ["gone"], "b": []}, "a b")
    check_needed_first({"a": ["a"]}, "a")
    check_needed_first({"a": ["b"], "b": ["a"], "c": ["a"]}, "b a c")


@promise(300)
@given(st.dictionaries(st.sampled_from("abcdefgh"), st.lists(st.sampled_from("abcdefghx"), max_size=4)))
def test_each_name_comes_once_and_after_what_it_needs_where_there_is_no_circle(links: dict[str, list[str]]) -> None:
    forward = {name: [other for other in needs if other > name] for name, needs in links.items()}
    order = needed_first(forward)
    assert sorted(order) == sorted(links)
    for name, needs in forward.items():
        assert all(order.index(other) < order.index(name) for other in needs if other in links)
    assert sorted(needed_first(links)) == sorted(links)


@promise(200)
@given(states)
def test_an_admission_is_of_a_stage_of_the_plan(state: State) -> None:
    for record in state.records.values():
        rules = rules_in_force(record)
        names = {stage.name for stage in record.flag.stages}
        assert {admission.stage for admission in rules.admissions} <= names
        assert len({admission.audience for admission in rules.admissions}) == len(rules.admissions)
        assert all(0 < admission.share.threshold <= HASHES for admission in rules.admissions)


def test_a_bucket_is_of_the_salt_and_not_of_the_flags_key() -> None:
    record = flag_on_a_way(Share.parse("50%"), salt="old-name")
    who = {number for number in range(500) if bucket("old-name", f"u-{number}") < HASHES // 2}
    assert cohort(record, 500) == who
