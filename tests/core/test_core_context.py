"""Contexts: what the app sends, by the declared types, within bounds. Nothing that anybody sends does worse than to be
refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.core.attributes import Attribute, AttributeType, comparison_key, instant, read_value
from rollout.core.context import MAX_ATTRIBUTES, MAX_TEXT, read_context
from rollout.core.errors import InvalidInput
from tests.core.promises import promise
from tests.core.strategies import ATTRIBUTES, MEMBERS, a_state, compiled, made

DEEP: list[Any] = []
for _ in range(20_000):
    DEEP = [DEEP]


def check_read(kind: str, given: object, value: object) -> None:
    read = read_value(Attribute("x", AttributeType(kind)), given)
    assert read == value
    assert type(read) is type(value)


def check_refused(kind: str, given: object, hint: str, message: str = "x: ") -> None:
    with pytest.raises(InvalidInput) as refused:
        read_value(Attribute("x", AttributeType(kind)), given)
    assert refused.value.message.startswith(message), refused.value.message
    assert len(refused.value.message) < 120
    assert refused.value.hint == hint


def test_text_is_kept_as_it_came() -> None:
    check_read("string", "IN", "IN")
    check_read("string", "", "")
    check_read("string", " u-1 ", " u-1 ")
    check_read("string", "12", "12")
    check_read("string", "प्रिया 👩‍👩‍👧 cafe\u0301", "प्रिया 👩‍👩‍👧 cafe\u0301")


def test_what_is_not_text_is_refused() -> None:
    check_refused("string", 12, "send a string", "x: 12 is not text")
    check_refused("string", True, "send a string")
    check_refused("string", ["IN"], "send a string", "x: a list is not text")
    check_refused("string", {"IN": 1}, "send a string", "x: an object is not text")
    check_refused("string", DEEP, "send a string")
    check_refused("string", 10**5000, "send a string")
    check_refused("string", "a\nb", "send printable text")
    check_refused("string", "a\x00", "send printable text")
    check_refused("string", "\x7f", "send printable text")
    check_refused("string", "\ud83d", "send printable text")


def test_booleans_are_read_also_from_a_query() -> None:
    check_read("boolean", True, True)
    check_read("boolean", False, False)
    check_read("boolean", "true", True)
    check_read("boolean", "false", False)
    for sent in ("True", "yes", "1", 1, 0, 1.0, "", None, [], "TRUE"):
        check_refused("boolean", sent, "send true or false")


def test_numbers_are_read_also_from_a_query() -> None:
    check_read("number", 12, 12)
    check_read("number", 0.5, 0.5)
    check_read("number", "12", 12)
    check_read("number", "-12", -12)
    check_read("number", "+12", 12)
    check_read("number", "0.50", 0.5)
    check_read("number", "1e3", 1000.0)
    check_read("number", "1E-3", 0.001)
    check_read("number", "9007199254740993", 9007199254740993)
    check_read("number", 2**64, 2**64)
    check_read("number", 10**308, 10**308)


def test_what_is_not_a_number_is_refused() -> None:
    hint = "send digits, such as 12 or 0.5"
    for sent in (True, False, "", " 12", "12 ", "1_000", "0x10", "१२", "1,5", ".5", "5.", "--1", "nan", "inf", None):
        check_refused("number", sent, hint)
    for sent in (math.nan, math.inf, -math.inf, "1e999", "9" * 31, 10**309, -(10**400), 10**5000, [], {}, DEEP):
        check_refused("number", sent, hint)


def test_versions_and_moments_are_read_as_text() -> None:
    check_read("version", "v8.2", "v8.2")
    check_read("datetime", "2024-01-31", "2024-01-31")
    check_read("datetime", "2024-01-31T18:00:00+05:30", "2024-01-31T18:00:00+05:30")
    check_refused("version", 8.2, "send a string")
    check_refused("version", "new", "write numbers with points between, such as 2.18.9")
    when = "write 2024-01-31 or 2024-01-31T18:00:00+05:30"
    for sent in ("", "yesterday", "2024-13-01", "2024-02-30", "31.1.2024", "2024-01-31T25:00", "१९९९-०१-०१", "0"):
        check_refused("datetime", sent, when)
    check_refused("datetime", 1706659200, "send a string")


def test_a_moment_without_a_zone_is_in_utc() -> None:
    assert instant("2024-01-31") == instant("2024-01-31T00:00:00Z") == instant("2024-01-31T05:30:00+05:30")
    assert instant("1970-01-01") == 0
    assert instant("0001-01-01") < instant("9999-12-31T23:59:59.999999-12:00")


def check_context(given: dict[str, object], context: dict[str, object], ignored: int = 0) -> None:
    assert read_context(given, ATTRIBUTES) == (context, ignored)


def test_a_context_has_what_was_declared_and_given() -> None:
    check_context({}, {})
    check_context({"country": "IN", "orders": "3"}, {"country": "IN", "orders": 3})
    check_context({"country": "XX"}, {"country": "XX"})  # outside its values: fine, it matches nothing
    check_context({"user_id": ""}, {"user_id": ""})
    check_context({"country": None, "orders": 1}, {"orders": 1})
    check_context({"Country": "IN", "shoe_size": 43, "x": None, "": DEEP}, {}, ignored=4)


def test_a_trusted_attribute_is_missing_where_its_giver_is_not_believed() -> None:
    attributes = {
        "employee": Attribute("employee", AttributeType.BOOLEAN, trusted=True),
        "country": Attribute("country", AttributeType.STRING),
    }
    given = {"employee": True, "country": "IN", "shoe_size": 43}
    assert read_context(given, attributes) == ({"employee": True, "country": "IN"}, 1)
    assert read_context(given, attributes, believed=False) == ({"country": "IN"}, 1)
    assert read_context({"employee": "perhaps"}, attributes, believed=False) == ({}, 0)


def test_the_targeting_key_needs_no_declaration() -> None:
    assert read_context({"user_id": "u-1", "country": "IN"}, {}) == ({"user_id": "u-1"}, 1)
    with pytest.raises(InvalidInput, match="user_id: 5 is not text"):
        read_context({"user_id": 5}, {})


def test_a_context_has_its_bounds() -> None:
    many = {f"x{n}": n for n in range(MAX_ATTRIBUTES)}
    check_context(many, {}, ignored=MAX_ATTRIBUTES)
    with pytest.raises(InvalidInput, match="101 attributes are too many"):
        read_context({**many, "one": 1}, ATTRIBUTES)
    check_context({"user_id": "x" * MAX_TEXT}, {"user_id": "x" * MAX_TEXT})
    with pytest.raises(InvalidInput, match="user_id is 1025 characters long"):
        read_context({"user_id": "x" * (MAX_TEXT + 1)}, ATTRIBUTES)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(10**300, 10**310) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@promise(100)
@given(st.dictionaries(st.sampled_from((*ATTRIBUTES, "other")), anything), made(a_state))
def test_whatever_is_sent_is_read_or_refused_and_what_was_read_is_answered(given: dict[str, Any], state: Any) -> None:
    try:
        context, _ = read_context(given, ATTRIBUTES)
    except InvalidInput as refused:
        assert refused.message.isprintable()
        assert refused.hint
        return
    for name, value in context.items():
        comparison_key(ATTRIBUTES[name].type, value)
    for key, evaluate in compiled(state).flags.items():
        answer = evaluate(context)
        assert answer.flag == key
        assert answer.error_code != "GENERAL"


@promise(200)
@given(st.text(max_size=20))
def test_text_that_is_read_can_be_hashed_and_looked_up(text: str) -> None:
    try:
        read_value(ATTRIBUTES["user_id"], text)
    except InvalidInput:
        return
    assert isinstance(text.encode(), bytes)
    assert all((text in members) in (True, False) for members in MEMBERS.values())
