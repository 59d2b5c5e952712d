"""Documents: reading back what was written gives an equal value, through the JSON that the store keeps."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from rollout.core.definitions import Definitions
from rollout.core.documents import (
    instant_text,
    progress_document,
    read_instant,
    read_progress,
    read_record,
    read_shared,
    record_document,
    shared_document,
)
from rollout.core.flags import Flag, ValueType
from rollout.core.guards import Guard, GuardAction
from rollout.core.progress import FlagRecord, Progress, State
from rollout.core.segments import Match, Segment
from rollout.service.encoding import (
    decode_record,
    encode_record,
    pack_definitions,
    unpack_definitions,
)
from tests.core.promises import promise
from tests.core.strategies import (
    compiled,
    contexts,
    guards,
    moments,
    progresses,
    records,
    segments,
    states,
    windows,
)


def through_json(document: Any) -> Any:
    """As the store keeps it and as any other reader of JSON sees it: the same."""
    read = orjson.loads(orjson.dumps(document))
    assert read == json.loads(json.dumps(document, allow_nan=False))
    return read


def same(value: object, other: object) -> bool:
    """Equal, and of the same types within: to Python 1, 1.0 and True are equal, to a reader of JSON they are not."""
    return value == other and repr(_plain(value)) == repr(_plain(other))


def _plain(value: object) -> object:
    return {key: value.variants[key] for key in sorted(value.variants)} if isinstance(value, Flag) else None


def shared_only(state: State) -> State:
    return replace(state, records={})


@promise(400)
@given(records)
def test_a_record_reads_back_as_it_was_written(record: FlagRecord) -> None:
    read = read_record(through_json(record_document(record)))
    assert read == record
    assert same(read.flag, record.flag)
    assert decode_record(encode_record(record)) == record


@promise(200)
@given(states)
def test_a_state_reads_back_as_it_was_written(state: State) -> None:
    assert read_shared(through_json(shared_document(state)), state.revision, state.records) == state


@promise(200)
@given(guards, windows, segments)
def test_what_a_file_defines_reads_back_as_it_was_written(guard: Guard, window: Any, segment: Segment) -> None:
    state = State(definitions=Definitions(guards={"g": guard}, windows={"w": window}, segments={"s": segment}))
    assert read_shared(through_json(shared_document(state)), 0, {}) == state


@promise(100)
@given(states)
def test_definitions_read_back_from_the_record_of_a_file(state: State) -> None:
    flags = {key: record.flag for key, record in state.records.items()}
    definitions = replace(state.definitions, flags=flags)
    assert unpack_definitions(pack_definitions(definitions)[1]) == definitions


@promise(300)
@given(progresses)
def test_a_position_reads_back_as_it_was_written(progress: Progress) -> None:
    document = progress_document(progress)
    assert read_progress(through_json(document)) == progress
    assert not any(isinstance(value, float) for value in document.values())


@promise(100)
@given(states, contexts)
def test_a_state_that_was_stored_and_read_answers_the_same(state: State, context: dict[str, object]) -> None:
    records = {key: decode_record(encode_record(record)) for key, record in state.records.items()}
    read = read_shared(through_json(shared_document(state)), state.revision, records)
    before, after = compiled(state), compiled(read)
    for key in state.records:
        assert as_told(before.flags[key](context)) == as_told(after.flags[key](context))


def as_told(answer: Any) -> str:
    """An answer as its bytes on the wire."""
    return json.dumps(
        [answer.flag, answer.on, answer.variant, answer.value, answer.reason, answer.because, answer.error_code]
    )


def check_flag(**more: Any) -> None:
    flag = Flag("f", "d", "o", salt="f", **more)
    read = read_record(through_json(record_document(FlagRecord(flag, Progress(), 1)))).flag
    assert same(read, flag), (read, flag)


def test_variants_keep_their_type_also_where_python_finds_them_equal() -> None:
    check_flag(type=ValueType.INTEGER, variants={"on": 1, "off": 0})
    check_flag(type=ValueType.FLOAT, variants={"on": 1.0, "off": 0.0})
    check_flag(type=ValueType.BOOLEAN, variants={"on": True, "off": False})
    check_flag(type=ValueType.BOOLEAN, variants={"off": False, "on": True})
    check_flag(type=ValueType.OBJECT, variants={"on": {"a": 1}, "off": {"a": True}})
    check_flag(type=ValueType.STRING, variants={"on": "", "off": "0"})


def test_off_and_no_off_are_told_apart() -> None:
    check_flag(off=None)
    check_flag(off="off")
    check_flag(off="on")


def test_what_says_nothing_can_still_be_read() -> None:
    empty = Definitions(
        segments={"s": Segment("s", "", (Match(()),)), "nobody": Segment("nobody", "")},
        guards={"g": Guard("g", "", "m", GuardAction.WARN, min_samples=0, no_data=timedelta(0))},
    )
    state = State(definitions=empty)
    assert read_shared(through_json(shared_document(state)), 0, {}) == state


@promise(300)
@given(moments)
def test_an_instant_reads_back_to_the_millisecond(at: datetime) -> None:
    assert read_instant(instant_text(at)) == at


@promise(100)
@given(st.lists(moments, max_size=5))
def test_instants_sort_as_text_as_they_do_as_time(instants: list[datetime]) -> None:
    assert sorted(map(instant_text, instants)) == [instant_text(at) for at in sorted(instants)]


def test_an_instant_is_written_in_utc() -> None:
    assert instant_text(datetime(2026, 11, 23, 9, 0, tzinfo=UTC)) == "2026-11-23T09:00:00.000Z"
    assert instant_text(read_instant("2026-11-23T14:30:00.500+05:30")) == "2026-11-23T09:00:00.500Z"


def test_a_document_of_an_earlier_release_without_newer_keys_is_read() -> None:
    record = read_record({"flag": {"key": "f", "description": "d", "owner": "o"}, "revision": 7})
    assert record == FlagRecord(Flag("f", "d", "o", salt="f"), Progress(), 7)
