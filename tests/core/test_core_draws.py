"""The draw of a share: an answer knows on which side of it somebody is, and tells nobody who asks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from rollout.core.attributes import Attribute, AttributeType
from rollout.core.bucketing import bucket
from rollout.core.draws import CONTROL, INSIDE, Draw, draw_of
from rollout.core.evaluation import Answer, compile_ruleset
from rollout.core.flags import Flag, Split
from rollout.core.progress import FlagRecord, Progress, State
from rollout.core.ruleset import Admission, FlagRules, Ruleset, rules_in_force
from rollout.core.segments import AttributeCondition, Match, OneOf, Segment
from rollout.core.shares import EVERYBODY, HASHES, Share
from tests.core.promises import promise
from tests.core.reference import who_has
from tests.core.strategies import a_few_contexts, compiled, states

ATTRIBUTES = {name: Attribute(name, AttributeType.STRING) for name in ("user_id", "country")}
INDIA = Segment("india", "d", (Match((AttributeCondition("country", (OneOf(("IN",)),)),)),))
STAFF = Segment("staff", "d", (Match((AttributeCondition("country", (OneOf(("NL",)),)),)),))


def flag(share: str = "1%", **changes: object) -> FlagRules:
    """All of staff, then a share of india."""
    plain = rules_in_force(FlagRecord(Flag("payments", "d", "o", True), Progress(), 1))
    admissions = (
        Admission("staff", EVERYBODY, "staff", by_segment=True),
        Admission("india", Share.parse(share), "some", by_segment=False),
    )
    return replace(plain, has_rollout=True, **{"admissions": admissions, **changes})


def asked(rules: FlagRules, **context: str) -> Answer:

    evaluator = compile_ruleset(Ruleset(1, ATTRIBUTES, {"india": INDIA, "staff": STAFF}, {"payments": rules}), {})
    return evaluator.flags["payments"](context)


def drawn(rules: FlagRules) -> Draw:
    found = draw_of(rules)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("share", "width"), [("0.1%", "1%"), ("1%", "1%"), ("20%", "20%"), ("50%", "50%"), ("90%", "10%")]
)
def test_the_control_group_is_as_wide_as_the_share_at_least_one_percent_and_never_inside(
    share: str, width: str
) -> None:
    draw = drawn(flag(share))
    assert draw.threshold == Share.parse(share).threshold
    assert abs(draw.edge - draw.threshold - Share.parse(width).threshold) <= 1
    assert draw.edge <= HASHES
    assert draw.expected == draw.threshold / draw.edge


def test_who_is_in_the_audience_is_known_to_be_inside_outside_or_in_the_control_group() -> None:
    rules = flag("20%")
    draw = drawn(rules)
    for number in range(300):
        place = bucket(rules.salt, f"u-{number}")
        answer = asked(rules, user_id=f"u-{number}", country="IN")
        side = INSIDE if place < draw.threshold else CONTROL if place < draw.edge else None
        assert answer.drawn == (side == INSIDE) == answer.on
        assert answer.counted == (side and f"payments{side}")


def test_of_whom_no_share_decided_none_is_drawn() -> None:
    staff, stranger = asked(flag(), user_id="u-1", country="NL"), asked(flag(), user_id="u-1", country="GB")
    assert (staff.drawn, staff.counted) == (None, "payments")
    assert (stranger.drawn, stranger.counted) == (None, None)
    assert asked(flag(), country="IN").drawn is None  # without a targeting key


SPLIT = Split((("on", Share.parse("50%")), ("off", Share.parse("50%"))))
TWO = (Admission("india", Share.parse("2%"), "a", False), Admission("staff", Share.parse("1%"), "b", False))


@pytest.mark.parametrize(
    "changes",
    [{"killed": True}, {"enabled": False}, {"bucket_by": "country"}, {"on": SPLIT}, {"admissions": TWO}, {"on": "off"}],
)
def test_there_is_no_draw_where_no_one_share_of_people_decides_what_is_served(changes: dict[str, object]) -> None:
    rules = flag(**changes)
    assert draw_of(rules) is None
    for number in range(100):
        assert asked(rules, user_id=f"u-{number}", country="IN").drawn is None


@promise(200)
@given(states, a_few_contexts)
def test_whatever_the_flag_is_like_the_draw_agrees_with_what_is_served(
    state: State, contexts: list[dict[str, Any]]
) -> None:
    evaluator = compiled(state)
    for context in contexts:
        for key, rules in evaluator.ruleset.flags.items():
            answer, draw = evaluator.flags[key](context), draw_of(rules)
            if answer.drawn is None:
                assert answer.counted == (key if answer.on else None)
                continue
            assert draw is not None
            place = bucket(rules.salt, context[rules.bucket_by])
            assert answer.drawn == (place < draw.threshold) == answer.on
            control = answer.counted == key + CONTROL
            assert control == (draw.threshold <= place < draw.edge)
            assert who_has(state, key, context)[1] in ("stage", "not admitted")
