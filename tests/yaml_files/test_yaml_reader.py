"""What a file means, beyond what the corpus shows."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest
from yaml_corpus import CORPUS, read

from rollout.core.attributes import Attribute, AttributeType
from rollout.core.errors import InvalidFile
from rollout.core.flags import Flag, Split, ValueType
from rollout.core.guards import Guard, GuardAction, Rate
from rollout.core.members import PackedMembers
from rollout.core.plans import Stage
from rollout.core.segments import (
    AttributeCondition,
    Compare,
    Contains,
    EndsWith,
    NoneOf,
    OneOf,
    SegmentCondition,
    StartsWith,
)
from rollout.core.shares import EVERYBODY, Share
from rollout.yaml_files.reader import read_text


def good(name: str) -> Any:
    return read((CORPUS / "good" / f"{name}.yaml").read_bytes())


def problems(text: str) -> list[str]:
    with pytest.raises(InvalidFile) as refusal:
        read(text)
    return [f"{problem.line}:{problem.column} {problem.message}" for problem in refusal.value.problems]


def test_a_flag_that_says_nothing_is_a_boolean_that_is_off() -> None:
    assert good("every-variant").definitions.flags["plain"] == Flag(
        key="plain",
        description="Nothing said but what has to be",
        owner="x@example.com",
        enabled=False,
        variants={"on": True, "off": False},
        off="off",
        on="on",
        salt="plain",
        bucket_by="user_id",
    )


def test_every_key_of_a_flag_is_read() -> None:
    other = good("every-variant").definitions.flags["other-keys"]
    assert other.description == "Said on\nseveral lines\n"
    assert (other.requires, other.tags) == (("plain", "named"), ("growth", "money: out", "1"))
    assert (other.salt, other.expires, other.audience) == ("Ünicode is fine", date(2028, 2, 29), "everyone")
    assert (other.locked, other.client, other.rules) == (False, True, ())


@pytest.mark.parametrize(
    ("name", "type_", "values", "off", "on"),
    [
        ("no-value", ValueType.BOOLEAN, {"on": True, "off": False}, None, "on"),
        ("named", ValueType.BOOLEAN, {"yes": True, "no": False}, "no", "yes"),
        ("half-named", ValueType.BOOLEAN, {"on": True, "off": False, "also-on": True}, "off", "on"),
        (
            "strings",
            ValueType.STRING,
            {"a": "grey", "b": "10", "c": "2027-03-01", "d": "22:22", "e": "2027-03-01", "f": "", "g": "true"},
            None,
            "a",
        ),
        ("integers", ValueType.INTEGER, {"a": 0, "b": -1, "c": 2**53 - 1, "d": 16, "e": 15}, "a", "b"),
        (
            "objects",
            ValueType.OBJECT,
            {
                "empty": {},
                "full": {
                    "title": "Hello",
                    "count": 3,
                    "ratio": 0.5,
                    "on": "yes",
                    "nothing": None,
                    "list": [1, "two", {"three": 3}, [4]],
                },
            },
            None,
            "full",
        ),
    ],
)
def test_variants_are_typed_as_yaml_1_2_says(
    name: str, type_: ValueType, values: dict[str, Any], off: str | None, on: str
) -> None:
    found = good("every-variant").definitions.flags[name]
    assert (found.type, found.variants, found.off, found.on) == (type_, values, off, on)


def test_a_number_with_a_point_is_a_float() -> None:
    floats = good("every-variant").definitions.flags["floats"]
    assert floats.type is ValueType.FLOAT
    assert [repr(value) for value in floats.variants.values()] == ["2.0", "-0.5", "1000.0", "0.5"]
    assert floats.on == Split(
        tuple((name, Share(Fraction(part))) for name, part in [("a", "25"), ("b", "25"), ("c", "0.5"), ("d", "49.5")])
    )


def test_a_rule_serves_a_variant_or_a_split() -> None:
    first, second = good("every-variant").definitions.flags["ruled"].rules
    assert first.serve == "b"
    assert second.serve == Split((("a", Share(Fraction("33.3"))), ("b", Share(Fraction("66.7")))))


def test_every_form_of_a_stage_is_read() -> None:
    rollout = good("every-stage").definitions.flags["all-forms"].rollout
    week, day_and_a_half = timedelta(weeks=1), timedelta(hours=36)

    def stage(name: str, audience: str, percent: str, **more: Any) -> Stage:
        return Stage(**{"name": name, "audience": audience, "share": Share(Fraction(percent)), "bake": week, **more})

    assert (rollout.audience, rollout.bake, rollout.plan, rollout.guards) == ("testers", week, None, ())
    assert rollout.stages == (
        stage("2fa", "2fa", "100", by_segment=True),
        stage("0%", "testers", "0"),
        stage("0.00000001%", "testers", "0.00000001"),
        stage("1.5%", "testers", "1.5"),
        stage("ten", "testers", "10", bake=day_and_a_half, approval=True, guards=("failures",)),
        stage("20%", "testers", "20"),
        stage("5%", "everyone", "5"),
        stage("others", "2fa-too", "5"),
        stage("everyone", "everyone", "100", by_segment=True),
        stage("100%", "testers", "100"),
    )


def test_a_named_plan_takes_the_audience_and_the_bake_time_of_the_rollout() -> None:
    flags = good("every-stage").definitions.flags
    shared = flags["shared"].rollout
    assert (shared.plan, shared.bake, shared.guards) == ("standard", timedelta(days=3), ("failures",))
    assert [(stage.audience, stage.bake.days) for stage in shared.stages] == [
        ("testers", 3),
        ("everyone", 3),
        ("everyone", 2),
        ("everyone", 3),
    ]
    assert flags["one-step"].rollout.stages == (Stage("50%", "everyone", Share(Fraction(50))),)


def test_the_audience_of_a_flag_with_a_rollout_is_the_rollouts() -> None:
    found = good("every-stage").definitions.flags["all-forms"]
    assert (found.audience, found.rollout.audience) == (None, "testers")


def test_conditions_are_read_by_the_type_of_their_attribute() -> None:
    segments = good("every-condition").definitions.segments

    def tests(name: str) -> Any:
        ((condition,),) = [match.conditions for match in segments[name].matches]
        return condition.tests if isinstance(condition, AttributeCondition) else condition

    assert tests("a-scalar") == (OneOf(("NO",)),)
    assert tests("not-several") == (NoneOf(("IN", "GB")),)
    assert tests("endings") == (EndsWith(("@example.com", "@example.org")),)
    assert tests("middles") == (Contains(("+test",)), NoneOf(("x+test@example.com",)), StartsWith(("a", "b")))
    assert tests("words") == (OneOf(("true", "1", "1.10")),)
    assert tests("looks-like-a-bound") == (OneOf(("<18",)),)
    assert tests("a-bound-as-text") == (OneOf((">=20",)),)
    assert tests("yes-or-no") == (OneOf((True,)),)
    assert [repr(value) for value in tests("numbers")[0].values] == ["12", "0.5", "-3", "1000.0"]
    assert tests("number-bounds") == (Compare(((">", -5), ("<=", 20.5))),)
    assert tests("versions") == (OneOf(("1.10", "v8.2", "8.2.0-beta.2")),)
    assert tests("version-bounds") == (Compare(((">=", "8.2.0-rc.1"), ("<", "9"))),)
    assert tests("times") == (Compare((("<", "2024-01-31T18:00:00+05:30"),)),)
    assert tests("people") == (OneOf(("u-1", "17")),)
    assert tests("in-several") == SegmentCondition(("people", "words"))
    assert tests("in-none") == SegmentCondition(("people", "in-one"), negated=True)
    assert len(segments["everything"].matches[0].conditions) == 4
    assert [len(match.conditions) for match in segments["alternatives"].matches] == [1, 2]


def test_the_targeting_key_is_known_without_a_declaration() -> None:
    attributes = read("version: 1\nflags: {}\n").definitions.attributes
    assert attributes == {"user_id": Attribute("user_id", AttributeType.STRING)}


def test_every_key_of_a_guard_is_read() -> None:
    guards = good("every-guard").definitions.guards
    assert guards["plain"] == Guard("plain", "", "upi-transfer", GuardAction.HALT, max_failures=Share(Fraction(2)))
    assert guards["everything"] == Guard(
        name="everything",
        description="By bank, and quickly",
        metric="upi-transfer",
        action=GuardAction.EXCLUDE,
        max_failures=Share(Fraction("0.5")),
        counts=("technical", "timeout"),
        by="bank",
        min_samples=100,
        confidence=Share(Fraction("99.9")),
        no_data=timedelta(minutes=90),
    )
    assert guards["vanishing"].min_rate == Rate(Fraction(5), timedelta(minutes=1))
    assert guards["trickle"].min_rate == Rate(Fraction("0.5"), timedelta(seconds=1))
    assert (guards["compared"].against, guards["compared"].max_ratio) == ("control", Fraction("1.25"))
    assert guards["compared-closely"].max_ratio == Fraction("1.05")
    assert guards["from-prometheus"].prometheus[0] == "http://prometheus:9090"


def test_every_problem_of_a_file_is_reported_at_once() -> None:
    said = problems(
        "version: 3\nattributes:\n  age: { type: number }\nsegments:\n  old: { match: { age: '>x' } }\n"
        "guards:\n  g: {}\nplans:\n  p: { stages: [5] }\nflags:\n  X: {}\n"
    )
    assert [place.split()[0] for place in said] == ["1:10", "5:3", "5:24", "7:3", "7:3", "9:17", "11:3", "11:3", "11:3"]


def test_structure_and_meaning_are_reported_together() -> None:
    said = problems("version: 1\nflags:\n  a:\n    owner: !!str x\n    owner: y\n    enabled: maybe\n")
    assert [place.split()[0] for place in said] == ["3:3", "4:12", "5:5", "6:14"]


def test_one_slip_in_a_definition_is_one_problem_however_often_it_is_used() -> None:
    text = (
        "version: 1\nattributes:\n  age: { type: numbre }\n"
        "segments:\n  old: { description: Old, match: { age: '>60' } }\n"
        "flags:\n  a: { description: A, owner: x, audience: old, rules: [{ match: { segment: old }, serve: on }] }\n"
    )
    assert problems(text) == ["3:16 'numbre' is not known here"]


def test_reading_ends_where_nobody_would_read_on() -> None:
    said = problems("version: 1\nflags:\n" + "".join(f"  f{index}: {{ owner: x }}\n" for index in range(1_500)))
    assert len(said) == 1_001
    assert said[-1] == "1002:3 these are 1,000 problems, and there may be more"


def test_many_warnings_do_not_hide_an_error() -> None:
    hasty = "".join(
        f"  f{index}: {{ description: F, owner: x, enabled: true, rollout: {{ stages: [1%, 2%] }} }}\n"
        for index in range(1_200)
    )
    assert problems(f"version: 1\nflags:\n{hasty}  last: {{ owner: x }}\n") == ["1203:3 a flag needs 'description'"]


def test_lines_are_kept_for_everything_that_is_explained() -> None:
    lines = good("founding").lines
    assert lines["flags.payments"] == 41
    assert lines["flags.payments.enabled"] == 44
    assert lines["flags.payments.rollout"] == 45
    assert lines["flags.payments.rollout.stages.1"] == 51
    assert lines["flags.merchant-payments.requires"] == 62
    assert lines["flags.business-app.rules.0"] == 72
    assert lines["segments.india"] == 16
    assert lines["guards.upi-failures"] == 23
    more = good("more").lines
    assert more["plans.standard.stages.5"] == more["flags.wallet.rollout.stages.5"] == 37
    assert more["flags.buy-button.variants.grey"] == 53
    assert more["flags.search-page-size.audience"] == 68
    assert more["attributes.email"] == 15


def test_the_digest_follows_the_text_and_the_member_lists_alone() -> None:
    text = "version: 1\nsegments: { a: { description: A, members: { file: a.txt } } }\nflags: {}\n"

    def digest(text: str, members: bytes, name: str = "flags.yaml") -> str:
        return read_text(text, name=name, load_members=lambda file: members).digest

    first = digest(text, b"u-1\nu-2\n")
    assert first == digest(text, b"# other order\nu-2\r\nu-1\r\n", name="elsewhere/flags.yaml")
    assert len({first, digest(text, b"u-1\n"), digest(text + "\n", b"u-1\nu-2\n")}) == 3
    assert digest(text, b"u-1\nu-2\n") == digest("\ufeff" + text, b"u-1\nu-2\n")


def test_member_lists_travel_packed_and_each_once() -> None:
    file = good("members")
    segments = file.definitions.segments
    assert segments["employees"].members.count == 3
    assert segments["employees"].members.digest == segments["also-employees"].members.digest
    assert len(file.members) == 2
    assert "p-1" in PackedMembers(file.members[segments["partners"].members.digest])


def test_a_flag_of_one_stage_or_with_a_bake_time_brings_no_warning() -> None:
    for rollout in (
        "{ stages: [100%] }",
        "{ bake: 1h, stages: [1%, 2%] }",
        "{ stages: [{ percentage: 1%, bake: 1h }, 2%] }",
    ):
        text = f"version: 1\nflags: {{ a: {{ description: A, owner: x, enabled: true, rollout: {rollout} }} }}\n"
        assert read(text).warnings == ()


def test_a_segment_may_begin_with_a_digit_and_is_no_percentage() -> None:
    assert good("every-stage").definitions.flags["all-forms"].rollout.stages[0].share == EVERYBODY
