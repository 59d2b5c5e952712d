"""The audit: the same entry is the same bytes everywhere."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.core.audit import Actor, Entry, canonical_line, read_line
from tests.core.promises import promise

ENTRY = Entry(
    revision=7,
    at=datetime(2026, 11, 23, 9, 0, 0, 5000, tzinfo=UTC),
    actor=Actor("amit", host="laptop", tool="rollout set"),
    action="set",
    reason="प्रिया said so",
    request_id="r-1",
    flag="payments",
    before={},
    after={"exposure": {"india": "1%"}},
    previous="ab" * 32,
    ticket="PAY-7",
    approvals=({"by": "priya", "at": "2026-11-23T08:00:00.000Z"},),
)
LINE = (
    '{"action":"set","actor":{"authenticated":"","id":"amit","kind":"human"},"after":{"exposure":{"india":"1%"}},'
    '"approvals":[{"at":"2026-11-23T08:00:00.000Z","by":"priya"}],'
    '"at":"2026-11-23T09:00:00.005Z","before":{},"flag":"payments",'
    '"origin":{"address":"","host":"laptop","tool":"rollout set"},'
    f'"previous":"{"ab" * 32}","reason":"प्रिया said so","request_id":"r-1","revision":7,"ticket":"PAY-7","version":1}}'
)


def test_an_entry_is_one_canonical_line() -> None:
    assert canonical_line(ENTRY.document()) == LINE.encode()
    assert read_line(LINE.encode()) == ENTRY.document()


documents = st.recursive(
    st.text(st.characters(codec="utf-8"), max_size=8) | st.integers(-(2**53), 2**53),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), inner)
    ),
    max_leaves=8,
)


@promise(40)
@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), documents, max_size=4))
def test_a_line_reads_back_and_does_not_depend_on_the_order_of_keys(document: dict[str, Any]) -> None:
    line = canonical_line(document)
    assert b"\n" not in line
    assert read_line(line) == document
    assert canonical_line(dict(reversed(document.items()))) == line
    assert canonical_line(json.loads(line)) == line


def test_what_is_not_json_is_never_written() -> None:
    for number in (math.nan, math.inf, -math.inf, 0.5, 1.0):
        with pytest.raises(TypeError, match="not a whole number"):
            canonical_line({"x": [{"y": number}]})
    for thing in (object(), {1, 2}, b"x", ENTRY):
        with pytest.raises(TypeError):
            canonical_line({"x": thing})
