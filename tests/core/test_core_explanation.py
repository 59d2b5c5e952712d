"""Explanations: the evaluator's own answer, and steps that lead to it and to no other."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import given

from rollout.core.attributes import Attribute, AttributeType
from rollout.core.bucketing import bucket
from rollout.core.definitions import Definitions
from rollout.core.evaluation import Answer, compile_ruleset
from rollout.core.explanation import Explanation, Step, explain
from rollout.core.flags import Flag, Rule, Split
from rollout.core.plans import Rollout, Stage
from rollout.core.progress import FlagRecord, Progress, State, Stop
from rollout.core.ruleset import ruleset_in_force
from rollout.core.segments import (
    AttributeCondition,
    Compare,
    Match,
    MemberList,
    OneOf,
    Segment,
    SegmentCondition,
)
from rollout.core.shares import EVERYBODY, HASHES, Share
from tests.core.promises import promise
from tests.core.strategies import a_few_contexts, compiled, states

STAFF = frozenset({"u-7"})
ATTRIBUTES = {
    "country": Attribute("country", AttributeType.STRING),
    "app_version": Attribute("app_version", AttributeType.VERSION),
}
CAN_PAY = AttributeCondition("app_version", (Compare(((">=", "2.18.9"),)),))
INDIA = Match((AttributeCondition("country", (OneOf(("IN",)),)), CAN_PAY))
SEGMENTS = {
    "employees": Segment("employees", "staff", members=MemberList("employees.txt", "staff", 1)),
    "india": Segment("india", "India", (INDIA,)),
    "either": Segment("either", "", (INDIA, Match((SegmentCondition(("employees",)),)))),
}
PLAN = Rollout(
    "india",
    (
        Stage("employees", "employees", EVERYBODY, by_segment=True),
        Stage("first-million", "india", Share.parse("1%")),
        Stage("5%", "india", Share.parse("5%")),
        Stage("100%", "india", EVERYBODY),
    ),
)
STOP = Stop("amit", datetime(2026, 11, 23, 9, 0, tzinfo=UTC), "banks fail")


def top(explanation: Explanation) -> list[tuple[Step, list[Step]]]:
    """The questions, each with the parts right below it."""
    questions: list[tuple[Step, list[Step]]] = []
    for step in explanation.steps:
        if step.depth == 0:
            questions.append((step, []))
        elif step.depth == 1:
            questions[-1][1].append(step)
    return questions


def path_that_decided(record: FlagRecord, answer: Answer) -> str | None:
    """Where in the file the answer comes from; None where nothing let them in."""
    key, (kind, _, what) = record.flag.key, answer.because.partition(" ")
    if kind == "rule":
        return f"flags.{key}.rules.{int(what) - 1}"
    if kind == "stage" and record.flag.rollout:
        index = [stage.name for stage in record.flag.stages].index(what)
        plan = record.flag.rollout.plan
        return f"plans.{plan}.stages.{index}" if plan else f"flags.{key}.rollout.stages.{index}"
    if kind == "guard":
        return f"guards.{what}"
    ends = {"killed": "", "disabled": ".enabled", "requires": ".requires", "stage": ".audience"}
    return f"flags.{key}{ends[kind]}" if kind in ends else None


def check_consistent(record: FlagRecord, explanation: Explanation) -> None:
    questions = top(explanation)
    reached = [(step, parts) for step, parts in questions if step.holds is not None]
    assert [step for step, _ in questions[: len(reached)]] == [step for step, _ in reached]  # nothing after it
    assert all(part.holds is None for _, parts in questions[len(reached) :] for part in parts)
    for step, parts in reached[2:]:
        if parts:
            assert all(part.holds for part in parts) == step.holds, step
    last, (kind, _, what) = reached[-1][0], explanation.answer.because.partition(" ")
    wanted = path_that_decided(record, explanation.answer)
    passed = {"killed": False, "disabled": False, "requires": False, "guard": False, "rule": True, "stage": True}
    if wanted is not None:
        assert (last.path, last.holds) == (wanted, passed[kind])
    if kind == "requires":
        assert last.text == f"requires {what}, which is off for them"
    asked_first = 2 + len(record.flag.requires) + len(record.progress.excluded)
    if kind == "not":
        assert [step for step, _ in reached] == [step for step, _ in questions if "not reached yet" not in step.text]
        assert not any(step.holds for step, _ in reached[asked_first:])
    lets_in = [step for step, _ in reached[asked_first:] if step.holds]
    assert lets_in in ([], [last])


@promise(300)
@given(states, a_few_contexts)
def test_the_steps_lead_to_the_evaluators_answer(state: State, contexts: list[dict[str, Any]]) -> None:
    evaluator = compiled(state)
    for context in contexts:
        for key, record in state.records.items():
            explanation = explain(record, context, evaluator, state)
            assert explanation.answer is evaluator.flags[key](context)
            assert explanation.steps
            assert explanation.because
            assert all(explanation.would_change) and len(set(explanation.would_change)) == len(explanation.would_change)
            assert (explanation.bucket is None) == (not context.get(record.flag.bucket_by))
            check_consistent(record, explanation)


def explained(exposure: dict[str, str], context: dict[str, Any], **more: Any) -> Explanation:
    progress = Progress(
        exposure={audience: Share.parse(share) for audience, share in exposure.items()},
        killed=more.pop("killed", None),
        halted=more.pop("halted", None),
    )
    flag = replace(Flag("payments", "d", "o", True, salt="payments", rollout=PLAN), **more)
    parent = FlagRecord(Flag("parent", "d", "o", False, salt="parent"), Progress(), 1)
    state = State(1, Definitions(ATTRIBUTES, SEGMENTS), {"parent": parent, "payments": FlagRecord(flag, progress, 1)})
    evaluator = compile_ruleset(ruleset_in_force(state), {"staff": STAFF})
    return explain(state.records["payments"], context, evaluator, state)


def check(explanation: Explanation, because: str, *would_change: str) -> None:
    assert explanation.because == because
    assert explanation.would_change == would_change


LIVE = {"employees": "100%", "india": "1%"}
INDIAN = {"country": "IN", "app_version": "2.19"}
KILL = "`rollout kill payments` would take it from everyone"


def test_support_reads_the_first_reason_and_what_would_change_it() -> None:
    check(explained(LIVE, {"user_id": "u-7"}), "they are in employees, all of whom have it", KILL)
    inside, outside = {**INDIAN, "user_id": "u-58"}, {**INDIAN, "user_id": "u-22"}
    check(explained(LIVE, inside), "their bucket 0.5491 is below 1% of india", KILL)
    reach = "the rollout reaching more than 59.0304% of india"
    check(explained(LIVE, outside), "their bucket 59.0304 is not below 1% of india", "being in employees", reach)
    old = {**inside, "app_version": "2.18.8"}
    check(
        explained(LIVE, old),
        "they are not in india: app_version is 2.18.8, not >=2.18.9",
        "being in employees",
        "being in india (app_version is >=2.18.9)",
    )
    both = (
        "being in india (country is IN, app_version is >=2.18.9) and the rollout reaching more than 59.0304% of india"
    )
    check(
        explained(LIVE, {"user_id": "u-22"}),
        "they are not in india: country was not given, app_version was not given",
        "being in employees",
        both,
    )


def test_a_kill_a_switch_and_a_requirement_are_said_first() -> None:
    killed = "killed by amit on 2026-11-23 09:00 UTC: banks fail"
    check(explained(LIVE, {"user_id": "u-7"}, killed=STOP), killed, "`rollout revive payments`")
    silent = replace(STOP, reason="")
    check(explained(LIVE, {}, killed=silent), "killed by amit on 2026-11-23 09:00 UTC", "`rollout revive payments`")
    check(explained(LIVE, {}, enabled=False), "it is switched off in the file", "`enabled: true` in the file")
    check(explained(LIVE, {}, requires=("parent",)), "it requires parent, which they do not have", "having parent")


def test_a_rule_that_serves_the_off_side_is_what_would_have_to_go() -> None:
    off = (Rule(INDIA, "off"),)
    said = "rule 1 matches: country is IN, app_version is >=2.18.9"
    check(explained(LIVE, {**INDIAN, "user_id": "u-58"}, rules=off), said, "not matching rule 1, which serves off")
    check(explained(LIVE, INDIAN, rules=(Rule(INDIA, "on"),)), said, KILL)


def test_a_check_without_an_id_is_told_to_send_one() -> None:
    needs = "a share of this flag needs user_id, and the context has none"
    check(explained(LIVE, INDIAN), needs, "a check that sends user_id")
    assert explained(LIVE, INDIAN).bucket is None


def test_a_split_that_draws_the_off_side_suggests_nothing_false() -> None:
    coin = Split((("off", Share.parse("50%")), ("on", Share.parse("50%"))))
    drawn = {explained(LIVE, {"user_id": "u-7"}, on=coin, salt=salt).would_change for salt in ("a", "b", "c", "d", "e")}
    assert drawn == {(), (KILL,)}


def test_a_rollout_that_has_not_begun_says_so() -> None:
    check(
        explained({}, {"user_id": "u-7"}),
        "its rollout has not begun",
        "the rollout reaching stage employees",
        "being in india (country is IN, app_version is >=2.18.9) and the rollout reaching more than 92.0322% of india",
    )
    assert explained({}, {}, rules=(Rule(INDIA, "on"),)).because == "its rollout has not begun"
    check(explained({}, {}, rollout=None, rules=(Rule(INDIA, "on"),)), "no rule matches")


def check_steps(explanation: Explanation, *lines: str) -> None:
    marks = {True: "✓", False: "✗", None: "·"}
    assert [f"{'  ' * step.depth}{marks[step.holds]} {step.text}" for step in explanation.steps] == list(lines)


def test_every_step_is_told_with_its_parts() -> None:
    check_steps(
        explained(LIVE, {**INDIAN, "user_id": "u-58"}),
        "✓ not killed",
        "✓ enabled in the file",
        "✗ stage employees: all of employees",
        "  ✗ listed in employees.txt",
        "✓ stage first-million: 1% of india",
        "  ✓ country is IN",
        "  ✓ app_version is >=2.18.9",
        "  ✓ their bucket 0.5491 is below 1%",
        "· stage 5%: not reached yet",
        "· stage 100%: not reached yet",
    )
    check_steps(
        explained({"india": "3%"}, {"country": "GB"}, requires=("parent",), rules=(Rule(INDIA, "on"),)),
        "✓ not killed",
        "✓ enabled in the file",
        "✗ requires parent, which is off for them",
        "· rule 1: serve on",
        "  · country is IN (it is GB)",
        "  · app_version is >=2.18.9 (it was not given)",
        "· stage first-million: 3% of india (set by hand; the stage says 1%)",
        "  · country is IN (it is GB)",
        "  · app_version is >=2.18.9 (it was not given)",
        "  · without user_id they are in no share",
        "· stage employees: not reached yet",
        "· stage 5%: not reached yet",
        "· stage 100%: not reached yet",
    )
    check_steps(
        explained({"either": "100%"}, INDIAN, rollout=None, audience="either"),
        "✓ not killed",
        "✓ enabled in the file",
        "✓ no rollout: on for either",
        "  ✓ in either: any of",
        "    ✓ country is IN",
        "    ✓ app_version is >=2.18.9",
        "    ✗ in employees",
    )


def test_steps_are_asked_in_the_order_in_which_the_evaluator_asks() -> None:
    """A plan that comes back to an audience: its place is where the plan first speaks of it."""
    stages = (
        Stage("1%", "india", Share.parse("1%")),
        Stage("employees", "employees", EVERYBODY, by_segment=True),
        Stage("all", "india", EVERYBODY),
    )
    both = explained(
        {"employees": "100%", "india": "100%"}, {**INDIAN, "user_id": "u-7"}, rollout=Rollout("india", stages)
    )
    assert both.answer.because == "stage all"
    reached = [step.text for step in both.steps if step.depth == 0 and step.holds is not None]
    assert reached[-1] == "stage all: all of india"


def check_broken(explanation: Explanation, because: str) -> None:
    assert explanation.because == because
    assert not explanation.answer.on
    assert explanation.would_change == explanation.steps == ()


def test_a_broken_flag_is_explained_by_its_error() -> None:
    broken = "this flag cannot be evaluated"
    nowhere = Rollout("nowhere", (Stage("1%", "nowhere", Share.parse("1%")),))
    check_broken(explained({"nowhere": "1%"}, {}, rollout=nowhere), broken)
    check_broken(explained(LIVE, {}, rules=(Rule(Match((SegmentCondition(("nowhere",)),)), "on"),)), broken)
    bad = Match((AttributeCondition("app_version", (Compare(((">=", "new"),)),)),))
    check_broken(explained(LIVE, INDIAN, rules=(Rule(bad, "on"),)), broken)
    check_broken(explained({"nowhere": "1%"}, {}, rollout=nowhere, killed=STOP), "killed")


def test_a_share_next_to_everybody_is_explained_as_it_is_served() -> None:
    """99.99999999 % admits every hash there is, so it needs no targeting key."""
    explanation = explained({"india": "99.99999999%"}, INDIAN)
    assert explanation.answer.on
    assert top(explanation)[2][0].holds
    assert explanation.because == "they are in india, all of whom have it"


def shown_bucket(who: str) -> str:
    shown = explained(LIVE, {"user_id": who}).bucket
    assert shown is not None
    return shown


def test_a_bucket_is_shown_rounded_down_so_that_it_never_contradicts_a_share() -> None:
    """u-aaajiGJ2M and its like: see bucketing.json."""
    assert shown_bucket("u-aaajiGJ2M") == "0.9999"  # the last one inside 1%
    assert shown_bucket("u-aaan4geFi") == "1.0000"  # the first one outside
    assert shown_bucket("u-aaaahdTeQ") == "0.0000"
    assert shown_bucket("u-aaagqBWJD") == "99.9999"  # the largest hash of all
    for number in range(300):
        shown = shown_bucket(f"u-{number}")
        assert re.fullmatch(r"\d\d?\.\d{4}", shown)
        place = bucket("payments", f"u-{number}") / HASHES * 100
        assert float(shown) <= place < float(shown) + 0.0001
