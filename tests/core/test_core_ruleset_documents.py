"""Rulesets as documents: whoever reads one evaluates as whoever wrote it, and news bring the same as the whole."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.core.errors import InvalidInput
from rollout.core.evaluation import compile_ruleset
from rollout.core.progress import State
from rollout.core.ruleset import Ruleset, ruleset_in_force
from rollout.core.ruleset_documents import read_ruleset, ruleset_document
from tests.core.promises import promise
from tests.core.strategies import MEMBERS, a_few_contexts, compiled, states


def through_json(document: Any) -> Any:
    return json.loads(orjson.dumps(document))


def answers(ruleset: Ruleset, contexts: list[dict[str, Any]]) -> str:
    flags = compile_ruleset(ruleset, MEMBERS).flags
    return repr([(key, _said(flag(context))) for key, flag in flags.items() for context in contexts])


def _said(answer: Any) -> Any:
    return answer.flag, answer.on, answer.variant, answer.value, answer.reason, answer.because, answer.error_code


@promise(100)
@given(states, a_few_contexts)
def test_whoever_reads_a_ruleset_answers_as_whoever_wrote_it(state: State, contexts: list[dict[str, Any]]) -> None:
    ruleset = compiled(state).ruleset
    read, left_out = read_ruleset(through_json(ruleset_document(ruleset)))
    assert left_out == ()
    assert answers(read, contexts) == answers(ruleset, contexts)


@promise(100)
@given(states, states)
def test_news_make_of_what_was_what_is_and_keep_the_rest_as_it_stands(before: State, after: State) -> None:
    old, new = ruleset_in_force(before), ruleset_in_force(after)
    changed = {key: rules for key, rules in new.flags.items() if old.flags.get(key) != rules or key == "flag-0"}
    news = ruleset_document(replace(new, flags=changed))
    news |= {"since": "x", "removed": [key for key in old.flags if key not in new.flags]}
    read, _ = read_ruleset(through_json(news), old)
    assert read.flags.keys() == new.flags.keys()
    assert ruleset_document(read)["flags"] == ruleset_document(new)["flags"]
    assert all(read.flags[key] is old.flags[key] for key in new.flags if key not in changed)


def test_news_without_segments_leave_what_flags_stand_on_the_very_same() -> None:
    old = read_ruleset(whole())[0]
    read, _ = read_ruleset({"format": 1, "revision": 8, "since": "x", "flags": {}}, old)
    assert read.attributes is old.attributes
    assert read.segments is old.segments
    assert (read.revision, read.flags) == (8, old.flags)


def whole(**more: Any) -> dict[str, Any]:
    return {
        "format": 1,
        "revision": 7,
        "attributes": [{"name": "country", "type": "string"}],
        "segments": [{"name": "india", "any": [[{"attribute": "country", "tests": [["one_of", "IN"]]}]]}],
        "flags": {
            "good": {"key": "good", "enabled": True, "from_a_later_version": {"x": 1}},
            "odd": {"key": "odd", "rules": [{"match": [{"attribute": "country", "tests": [["sounds_like", "IN"]]}]}]},
        },
        **more,
    }


def test_what_a_later_version_added_is_skipped_and_a_flag_that_cannot_be_read_fails_alone() -> None:
    ruleset, left_out = read_ruleset(whole(also_new=[1]))
    assert left_out == ("odd",)
    assert list(ruleset.flags) == ["good"]


def test_news_of_a_flag_that_cannot_be_read_take_the_old_one_away() -> None:
    old = read_ruleset(whole())[0]
    ruleset, left_out = read_ruleset(
        {"format": 1, "revision": 8, "since": "x", "flags": {"good": {"key": "good", "on": {"fan": 1}}}}, old
    )
    assert (left_out, ruleset.flags) == (("good",), {})


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (None, "not a ruleset"),
        ([], "not a ruleset"),
        ({"error": {"code": "x"}}, "not a ruleset"),
        (whole(flags=[]), "not a ruleset"),
        (whole(format=2), "format 2; this reads 1: update it"),
        (whole(since="x"), "news of a ruleset that is not here"),
        (whole(attributes=None), "cannot be read"),
        (whole(segments=[{}]), "cannot be read"),
        (whole(revision="soon"), "cannot be read"),
    ],
)
def test_what_is_no_ruleset_is_refused_whole(document: object, says: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_ruleset(document)
    assert says in f"{refused.value.message}; {refused.value.hint}"


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
def test_no_json_whatever_is_more_than_refused(document: object) -> None:
    for given_document in (document, whole(flags=document), whole(flags={"a": document}), whole(attributes=[document])):
        try:
            read_ruleset(given_document)
        except InvalidInput as refused:
            assert refused.message
