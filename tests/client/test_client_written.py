"""Flags that are asked often are written out as one function each: it answers as the compiled flag does, whatever it is
asked, and runs nothing that stands in a file."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.client import Rollout
from rollout.client.asked import OFTEN
from rollout.client.editions import Edition, edition_of
from rollout.client.reading import Reader, reader_of
from rollout.client.writing import CannotBeWritten, Look, written
from rollout.core.evaluation import compile_ruleset
from rollout.core.flags import Flag
from rollout.core.plans import Rollout as Plan
from rollout.core.plans import Stage
from rollout.core.progress import FlagRecord, Progress, State
from rollout.core.ruleset import Ruleset, rules_in_force, ruleset_in_force
from rollout.core.segments import EVERYONE, AttributeCondition, Match, OneOf, Segment, SegmentCondition
from rollout.core.shares import EVERYBODY, Share
from tests.core.promises import promise
from tests.core.strategies import ATTRIBUTES, MEMBERS, PEOPLE, POOLS, Dice, a_context, a_state, made


class Text(str):
    """Text that says that it is equal to anything."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return True


class Country(StrEnum):
    INDIA = "IN"


class Hostile:
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    def __hash__(self) -> int:
        raise RuntimeError("no")


ODD = (
    None, True, False, 0, 1, 1.0, 2.5, -3, 10**400, float("nan"), float("inf"), "", "true", "12", "IN", "u-1", "8.2",
    "v8.2.0", "new", "2024-01-01", "\ud800", "u\x00", "\u2028", "x" * 1024, "x" * 1025, "प्रिया", b"IN", [], {},
    object(), date(2024, 1, 1), Text("IN"), Country.INDIA, Hostile(),
)  # fmt: skip
NAMES = (*ATTRIBUTES, "undeclared", "key", "context", "v0", "c1")


def odd_attributes(dice: Dice) -> dict[str, Any]:
    """Some that are right and some that are not."""
    given = {name: dice.one(POOLS.get(name, ODD)) for name in NAMES if dice.chance(2)}
    return given | {name: dice.one(ODD) for name in NAMES if dice.chance(6)}


attributes = made(odd_attributes)
seeds = st.integers(0, 2**32 - 1)


def edition(state: State) -> Edition:
    return edition_of(ruleset_in_force(state), MEMBERS)


def looks(one: Edition, reader: Reader) -> dict[str, Look]:
    found = {}
    for key, plain in one.evaluator.plain.items():
        if plain is not None:
            found[key] = written(plain, one, reader)
    return found


def asked_often(one: Edition) -> Rollout:
    client = Rollout._of(one)
    for key in one.evaluator.flags:
        for _ in range(OFTEN + 1):
            client.is_on(key, user_id="u-1")
    return client


def check_look(look: Look, key: str, one: Edition, reader: Reader, given: dict[str, Any]) -> bool:
    """Whether it had an answer, which is then the compiled flag's."""
    try:
        answer = look(given)
    except Exception:
        return False
    if answer is None:
        return False
    try:
        context = reader.read(given)
    except Exception:  # of whoever is not admitted not everything is looked at
        assert not answer.on, (key, given)
        return True
    assert answer is one.evaluator.flags[key](context), (key, given)
    return True


def test_a_flag_that_is_written_out_answers_as_the_compiled_one() -> None:
    answered, reader = 0, reader_of(ATTRIBUTES)
    for seed in range(400):
        dice = Dice(seed)
        one = edition(a_state(dice))
        contexts = [a_context(dice) for _ in range(8)]
        for key, look in looks(one, reader).items():
            for context in contexts:
                reader.read(context)  # versions and times are known from now on
                answered += check_look(look, key, one, reader, context)
    assert answered > 1500


@promise(1000)
@given(seeds, attributes)
def test_whatever_is_asked_is_answered_as_by_the_compiled_flag_or_left_to_it(seed: int, given: dict[str, Any]) -> None:
    one, reader = edition(a_state(Dice(seed))), reader_of(ATTRIBUTES)
    for key, look in looks(one, reader).items():
        check_look(look, key, one, reader, given)


@promise(300)
@given(seeds, attributes, attributes)
def test_a_client_that_was_asked_often_answers_as_one_that_was_not(
    seed: int, first: dict[str, Any], second: dict[str, Any]
) -> None:
    one = edition(a_state(Dice(seed)))
    often, seldom = asked_often(one), Rollout._of(one)
    for key in one.evaluator.flags:
        for asked in (first, second, first, a_context(Dice(seed))):
            details = seldom.details(key, **asked)
            assert often.is_on(key, **asked) == details.on == seldom.is_on(key, **asked), (key, asked)
            assert often.explain(key, **asked).answer.on == details.on


def on_its_way(key: str, audience: str = "in-it", salt: str = "s", names: str = "5%") -> Flag:
    stages = (Stage("all", audience, EVERYBODY, by_segment=True), Stage(names, EVERYONE, Share.parse("50%")))
    return Flag(key, "d", "o", True, salt=salt, rollout=Plan(EVERYONE, stages))


def of_segments(flags: list[Flag], segments: dict[str, Segment]) -> Edition:
    exposure = {"in-it": EVERYBODY, EVERYONE: Share.parse("50%")}
    rules = {flag.key: rules_in_force(FlagRecord(flag, Progress(exposure), 1)) for flag in flags}
    return edition_of(Ruleset(1, ATTRIBUTES, segments, rules), MEMBERS)


def segment(*values: str, attribute: str = "country") -> Segment:
    return Segment("in-it", "d", (Match((AttributeCondition(attribute, (OneOf(values),)),)),))


HARM = "\"\"\"\n'''); raise SystemExit(1) #\\"


@pytest.mark.parametrize("harm", [HARM, "c0", "context", "{0}", "\n\treturn None", "💣"])
def test_nothing_that_stands_in_a_file_is_run(harm: str) -> None:
    one = of_segments([on_its_way("f", salt=harm, names=harm)], {"in-it": segment(harm, HARM)})
    client, plain = asked_often(one), one.evaluator.flags["f"]
    for who in (*PEOPLE, harm):
        for country in (harm, HARM, "IN"):
            context = {"user_id": who, "country": country}
            expected = plain(context).on and who.isprintable() and country.isprintable()
            assert client.is_on("f", **context) == expected
    look = written(one.evaluator.plain["f"], one, reader_of(ATTRIBUTES))  # type: ignore[arg-type]
    constants = [constant for constant in look.__code__.co_consts if isinstance(constant, str)]
    assert harm not in constants


def test_flags_of_one_shape_share_their_code() -> None:
    one = of_segments([on_its_way("f"), on_its_way("g", salt="other")], {"in-it": segment("IN", "GB")})
    other = of_segments([on_its_way("f")], {"in-it": segment("x", "y", "z", attribute="account_id")})
    reader = reader_of(ATTRIBUTES)
    codes = {look.__code__ for each in (one, other) for look in looks(each, reader).values()}
    assert len(codes) == 1


def test_segments_within_segments_are_written_out_up_to_a_bound() -> None:
    """Each of these has the one before twice: written out whole, the last would be of 2⁴⁰ conditions."""
    segments = {"s0": replace(segment("IN"), name="s0")}
    for number in range(1, 41):
        twice = tuple(Match((SegmentCondition((f"s{number - 1}",)),)) for _ in range(2))
        segments[f"s{number}"] = Segment(f"s{number}", "d", twice)
    last = replace(segments["s40"], name="in-it")
    one = of_segments([on_its_way("f")], segments | {"in-it": last})
    look = looks(one, reader_of(ATTRIBUTES))["f"]
    assert len(look.__code__.co_code) < 4000
    assert look({"user_id": "u-1", "country": "IN"}).because == "stage all"  # type: ignore[union-attr]


def test_a_share_by_something_that_is_no_text_is_asked_as_it_was_compiled() -> None:
    flag = replace(on_its_way("f"), bucket_by="orders")
    one = of_segments([flag], {"in-it": segment("IN")})
    with pytest.raises(CannotBeWritten):
        looks(one, reader_of(ATTRIBUTES))
    client = asked_often(one)
    for orders in (1, 2.5, 10**15):
        assert client.is_on("f", orders=orders) == one.evaluator.flags["f"]({"orders": orders}).on


def test_a_change_is_answered_at_once_and_what_did_not_change_stays_written_out() -> None:
    before = of_segments([on_its_way("f"), on_its_way("g")], {"in-it": segment("IN")})
    client = asked_often(before)
    rules = before.evaluator.ruleset.flags
    changed = replace(before.evaluator.ruleset, revision=2, flags={**rules, "g": replace(rules["g"], killed=True)})
    assert client.is_on("g", user_id="u-1", country="IN")
    kept = client._looks["f"]
    client._accept(replace(before, evaluator=compile_ruleset(changed, MEMBERS, before.evaluator)))
    assert client._looks["f"] is kept
    assert not client.is_on("g", user_id="u-1", country="IN")
    assert client.is_on("f", user_id="u-1", country="IN")
    with client.override(f=False):
        assert not client.is_on("f", user_id="u-1", country="IN")
    assert client.is_on("f", user_id="u-1", country="IN")
