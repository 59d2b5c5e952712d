"""Columns are read as the service reads each of their values; what it would refuse is off, and counted."""

from __future__ import annotations

import operator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from batchkit import told_by_columns
from hypothesis import given
from hypothesis import strategies as st

from rollout.batch import ANSWERS, IDS, Tally, cohort_batches, compile_cohort, missing_columns
from rollout.batch.cohorts import Cohort
from rollout.core.attributes import Attribute, AttributeType
from rollout.core.errors import InvalidInput
from rollout.core.members import pack_members
from rollout.core.ruleset import Ruleset
from rollout.core.segments import MemberList, Segment
from tests.core.promises import promise
from tests.core.test_core_answers import rules_of

SIGNS = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}
NUMBERS = st.one_of(
    st.integers(-5, 5),
    st.sampled_from([2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 2**64, 10**400, -(10**400)]),
    st.floats(-5, 5),
    st.sampled_from([2.0**53, 0.1, -0.0, 1.7e308, -1.7e308]),
)


def asking(kind: AttributeType, *tests: Any) -> Cohort:
    """A flag that is on where x is so."""
    rules = rules_of("f", rules=[{"match": [{"attribute": "x", "tests": list(tests)}], "serve": "on"}])
    return compile_cohort(Ruleset(1, {"x": Attribute("x", kind)}, {}, {"f": rules}), "f", {})


def on(cohort: Cohort, array: pa.Array) -> list[bool]:
    return [answer for answer, _ in told_by_columns(cohort, pa.RecordBatch.from_arrays([array], names=["x"]))]


def answers(cohort: Cohort, **columns: pa.Array) -> tuple[list[dict[str, Any]], Tally]:
    tally = Tally()
    batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    told = list(cohort_batches([batch], cohort, tally=tally))
    return pa.Table.from_batches(told, ANSWERS).to_pylist(), tally


@promise()
@given(values=st.lists(NUMBERS, min_size=1), sign=st.sampled_from(sorted(SIGNS)), bound=NUMBERS)
def test_numbers_compare_exactly_whatever_the_column_holds(values: list[Any], sign: str, bound: Any) -> None:
    cohort = asking(AttributeType.NUMBER, ["compare", [sign, bound]])
    equal = asking(AttributeType.NUMBER, ["one_of", bound])
    whole = [value for value in values if isinstance(value, int) and -(2**63) <= value < 2**63]
    natural = [value for value in values if isinstance(value, int) and 0 <= value < 2**64]
    floats = [value for value in values if isinstance(value, float)]
    for column in (pa.array(whole, pa.int64()), pa.array(natural, pa.uint64()), pa.array(floats, pa.float64())):
        assert on(cohort, column) == [SIGNS[sign](value, bound) for value in column.to_pylist()]
        assert on(equal, column) == [value == bound for value in column.to_pylist()]


def test_instants_and_dates_compare_as_their_texts_do() -> None:
    cohort = asking(AttributeType.DATETIME, ["compare", [">=", "2024-01-01T05:30:00+05:30"]])
    midnight = datetime(2024, 1, 1, tzinfo=UTC)
    for kind in ("s", "ms", "us", "ns"):
        assert on(cohort, pa.array([midnight, None], pa.timestamp(kind, "Asia/Kolkata"))) == [True, False]
        assert on(cohort, pa.array([midnight.replace(tzinfo=None)], pa.timestamp(kind))) == [True]
    assert on(cohort, pa.array([date(2024, 1, 1), date(2023, 12, 31)])) == [True, False]
    assert on(cohort, pa.array([date(2024, 1, 1)], pa.date64())) == [True]


def test_decimals_and_small_floats_are_numbers() -> None:
    cohort = asking(AttributeType.NUMBER, ["compare", [">", 1]])
    assert on(cohort, pa.array([Decimal("1.5"), Decimal("0.5"), None])) == [True, False, False]
    assert on(cohort, pa.array([1.5, 0.5], pa.float32())) == [True, False]


def test_a_column_of_nothing_is_missing_for_everybody() -> None:
    for kind in AttributeType:
        operand = "2024-01-01" if kind is AttributeType.DATETIME else "1" if kind is AttributeType.VERSION else 1
        assert on(asking(kind, ["none_of", operand]), pa.nulls(3)) == [False, False, False]


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        (AttributeType.STRING, pa.array([1.5])),
        (AttributeType.STRING, pa.array([b"bytes"])),
        (AttributeType.BOOLEAN, pa.array([1])),
        (AttributeType.NUMBER, pa.array([True])),
        (AttributeType.VERSION, pa.array([8.2])),
        (AttributeType.DATETIME, pa.array([1700000000])),
    ],
)
def test_a_column_that_cannot_hold_its_attribute_is_an_error_that_says_what_can(
    kind: AttributeType, column: pa.Array
) -> None:
    operand = "2024-01-01" if kind is AttributeType.DATETIME else "1"
    with pytest.raises(InvalidInput, match=r"column x holds .*, and x is .*: write"):
        on(asking(kind, ["one_of", operand]), column)


def test_whoever_has_a_value_that_the_service_refuses_is_off_and_counted() -> None:
    flag = rules_of("f", rules=[{"match": [{"attribute": "x", "tests": [["none_of", "no"]]}], "serve": "on"}])
    ruleset = Ruleset(1, {"x": Attribute("x", AttributeType.STRING)}, {}, {"f": flag})
    texts = ["fine", "tab\there", "\x7f", "x" * 1024, "x" * 1025, "प" * 1024, None]
    for column in (pa.array(texts), pa.array(texts).dictionary_encode()):
        told, tally = answers(compile_cohort(ruleset, "f", {}), user_id=pa.array(list("abcdefg")), x=column)
        assert [one["on"] for one in told] == [True, False, False, True, False, True, False]
        assert (tally.people, tally.on, tally.refused, tally.refused_row) == (7, 3, 3, 2)


def test_words_that_are_no_numbers_and_numbers_that_are_none_are_refused() -> None:
    for column in (pa.array(["1", "one", None, "nan"]), pa.array([1.0, float("nan"), None, float("inf")])):
        cohort = asking(AttributeType.NUMBER, ["none_of", 7])
        told, tally = answers(cohort, user_id=pa.array(list("abcd")), x=column)
        assert [one["on"] for one in told] == [True, False, False, False]
        assert tally.refused == 2


def test_text_that_is_not_utf8_is_an_error() -> None:
    broken = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff"]).buffers())
    with pytest.raises(InvalidInput, match="not text in UTF-8"):
        on(asking(AttributeType.STRING, ["one_of", "a"]), broken)


def test_ids_that_are_whole_numbers_are_hashed_as_their_digits() -> None:
    rules = rules_of("f", rules=[{"match": [], "serve": {"split": [["on", "50%"], ["off", "50%"]]}}])
    cohort = compile_cohort(Ruleset(1, {}, {}, {"f": rules}), "f", {})
    numbers = list(range(200))
    by_number, _ = answers(cohort, user_id=pa.array(numbers))
    by_text, _ = answers(cohort, user_id=pa.array(list(map(str, numbers))))
    assert by_number == by_text
    assert {one["variant"] for one in by_number} == {"on", "off"}


def test_ids_that_are_neither_text_nor_whole_numbers_are_an_error_whatever_the_flag_asks() -> None:
    cohort = compile_cohort(Ruleset(1, {}, {}, {"f": rules_of("f")}), "f", {})
    for column in (pa.array([1.0]), pa.array([["u-1"]]), pa.array([b"u-1"])):
        with pytest.raises(InvalidInput, match="column user_id holds"):
            answers(cohort, user_id=column)


def test_a_long_member_list_has_its_members_and_nobody_else() -> None:
    listed = [f"u-{number}" for number in range(0, 3000, 2)]
    packed = pack_members(listed)
    staff = Segment("staff", "", members=MemberList("staff.txt", "d", len(listed)))
    rules = rules_of("f", rules=[{"match": [{"segments": ["staff"]}], "serve": "on"}])
    cohort = compile_cohort(Ruleset(1, {}, {"staff": staff}, {"f": rules}), "f", {"d": packed})
    people = [f"u-{number}" for number in range(3000)]
    told, _ = answers(cohort, user_id=pa.array([*people, "", None]))
    assert [one["id"] for one in told if one["on"]] == listed


def test_without_its_member_list_nobody_is_in_a_segment() -> None:
    staff = Segment("staff", "", members=MemberList("staff.txt", "d", 1))
    rules = rules_of("f", rules=[{"match": [{"segments": ["staff"]}], "serve": "on"}])
    cohort = compile_cohort(Ruleset(1, {}, {"staff": staff}, {"f": rules}), "f", {})
    told, _ = answers(cohort, user_id=pa.array(["u-1"]))
    assert [one["on"] for one in told] == [False]


def test_a_flag_that_cannot_be_evaluated_is_off_for_everybody_and_says_so() -> None:
    rules = rules_of("f", requires=["no-such-flag"])
    cohort = compile_cohort(Ruleset(1, {}, {}, {"f": rules}), "f", {})
    told, tally = answers(cohort, user_id=pa.array(["u-1", "u-2"]))
    assert cohort.broken
    assert told == [{"id": "u-1", "on": False, "variant": "off"}, {"id": "u-2", "on": False, "variant": "off"}]
    assert tally.on == 0


def test_only_the_ids_of_those_who_have_it_can_be_asked_for() -> None:
    cohort = asking(AttributeType.STRING, ["one_of", "IN"])
    batch = pa.RecordBatch.from_pydict({"x": ["IN", "GB", "IN"], "user_id": ["a", "b", "c"], "unasked": [1, 2, 3]})
    told = pa.Table.from_batches(cohort_batches([batch, batch], cohort, only_on=True), IDS)
    assert told.column("id").to_pylist() == ["a", "c", "a", "c"]


def test_a_cohort_names_its_columns_the_targeting_key_first() -> None:
    cohort = asking(AttributeType.STRING, ["one_of", "IN"])
    assert cohort.columns == ("user_id", "x")
    assert missing_columns(cohort, ["x", "y"]) == ("user_id",)
    with pytest.raises(InvalidInput, match="no column user_id"):
        list(cohort_batches([pa.RecordBatch.from_pydict({"x": ["IN"]})], cohort))
