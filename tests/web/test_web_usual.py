"""What is read at a glance is what is read carefully: the same context, and the same number of attributes ignored."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.core.attributes import Attribute, AttributeType
from rollout.core.context import MAX_ATTRIBUTES, read_context
from rollout.core.errors import RolloutError
from rollout.web.ofrep import context_in
from rollout.web.reading import parse_json
from rollout.web.usual import Unusual, UsualReader
from tests.core.promises import promise
from tests.core.strategies import ATTRIBUTES

TRUSTED_ID = {"user_id": Attribute("user_id", AttributeType.STRING, trusted=True)}
NUMBERED = {"user_id": Attribute("user_id", AttributeType.NUMBER)}
NAMED_SO = {"targetingKey": Attribute("targetingKey", AttributeType.VERSION)}
MANY = {f"v{number}": Attribute(f"v{number}", AttributeType.VERSION) for number in range(MAX_ATTRIBUTES + 20)}
DECLARED = {"as usual": ATTRIBUTES, "trusted": ATTRIBUTES | TRUSTED_ID, "numbered": NUMBERED, "named so": NAMED_SO}

VALUES = ("u-1", "", "8.2.0", "9", "new", "2024-01-01", "true", "12", "x" * 1024, "x" * 1025, "प्रिया", "\u2028", "\x7f")
OTHERS = (None, True, False, 0, 7, -(2**63), 2**64, 2.5, "a:b", "\x00", [], {}, {"a": 1})
names = st.sampled_from((*ATTRIBUTES, "targetingKey", "undeclared"))
asked = st.dictionaries(names, st.sampled_from((*VALUES, *OTHERS)), max_size=6)


def carefully(body: bytes, attributes: dict[str, Attribute], believed: bool) -> tuple[dict[str, Any], int]:
    document = parse_json(body)
    return read_context(context_in(document), attributes, believed=believed)


def check_same(reader: UsualReader, body: bytes, attributes: dict[str, Attribute], believed: bool) -> None:
    """Where reading carefully refuses it, so does reading at a glance, of whichever kind: Flask says what is wrong."""
    try:
        expected = carefully(body, attributes, believed)
    except RolloutError:
        with pytest.raises((RolloutError, Unusual)):
            reader.body(body)
        return
    read = reader.body(body)
    assert read == expected
    assert list(map(type, read[0].values())) == list(map(type, expected[0].values()))


@pytest.mark.parametrize("believed", [True, False])
@pytest.mark.parametrize("declared", DECLARED)
def test_a_context_is_read_at_a_glance_as_it_is_carefully(declared: str, believed: bool) -> None:
    reader = UsualReader(DECLARED[declared], believed=believed)  # what it knows by heart stays for all of them

    @promise()
    @given(asked)
    def check(context: dict[str, Any]) -> None:
        for _ in range(2):
            check_same(reader, json.dumps({"context": context}).encode(), DECLARED[declared], believed)

    check()


def test_more_attributes_than_may_be_sent_are_refused_however_often_each_was_read() -> None:
    reader = UsualReader(MANY, believed=True)
    for name in MANY:
        assert reader.body(json.dumps({"context": {name: "1.0"}}).encode()) == ({name: "1.0"}, 0)
    with pytest.raises(RolloutError):
        reader.body(json.dumps({"context": dict.fromkeys(MANY, "1.0")}).encode())
