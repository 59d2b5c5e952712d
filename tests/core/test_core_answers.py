"""Who is served what, against the published vectors: every rule of the order, every condition on every type."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rollout.core.attributes import Attribute, AttributeType, read_value
from rollout.core.context import read_context
from rollout.core.documents import read_flag, read_record, read_shared
from rollout.core.evaluation import Answer, Evaluator, compile_ruleset
from rollout.core.explanation import explain
from rollout.core.members import Membership, PackedMembers, pack_members
from rollout.core.progress import FlagRecord, Progress, State
from rollout.core.ruleset import FlagRules, Ruleset, rules_in_force, ruleset_in_force

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "evaluation.json").read_text(encoding="utf-8"))
SHARED = {"guards": [], "archived": [], "file": None, "earlier_files": []}


def state_of(suite: dict[str, Any]) -> State:
    records = {document["flag"]["key"]: read_record(document) for document in suite["flags"]}
    shared = {**SHARED, "attributes": suite["attributes"], "segments": suite["segments"]}
    return read_shared(shared, 1, records)


def told(answer: Answer) -> dict[str, Any]:
    as_told = {
        "on": answer.on,
        "variant": answer.variant,
        "value": answer.value,
        "reason": answer.reason.value,
        "because": answer.because,
    }
    return as_told | ({"error_code": answer.error_code.value} if answer.error_code else {})


@pytest.mark.parametrize("kind", ["packed", "set"])
@pytest.mark.parametrize("suite", VECTORS["suites"], ids=lambda suite: suite["name"])
def test_people_are_served_what_the_published_vectors_say(suite: dict[str, Any], kind: str) -> None:
    state = state_of(suite)
    members: dict[str, Membership] = {
        digest: PackedMembers(pack_members(keys)) if kind == "packed" else frozenset(keys)
        for digest, keys in suite["members"].items()
    }
    evaluator = compile_ruleset(ruleset_in_force(state), members)
    for case in suite["cases"]:
        context, ignored = read_context(case["context"], state.definitions.attributes)
        assert ignored == 0, case
        answer = evaluator.flags[case["flag"]](context)
        assert json.dumps(told(answer)) == json.dumps(case["expect"]), case
        assert explain(state.records[case["flag"]], context, evaluator, state).answer is answer


def test_the_vectors_have_every_reason_and_every_error_code() -> None:
    expected = [case["expect"] for suite in VECTORS["suites"] for case in suite["cases"]]
    assert {one["reason"] for one in expected} == {
        "STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT", "DISABLED", "ERROR",
    }  # fmt: skip
    assert {one.get("error_code") for one in expected} == {None, "TARGETING_KEY_MISSING", "GENERAL"}


def rules_of(key: str, **more: Any) -> FlagRules:
    flag = read_flag({"key": key, "description": "d", "owner": "o", "enabled": True, **more})
    return rules_in_force(FlagRecord(flag, Progress(), 1))


def one_condition(kind: str, tests: list[Any]) -> tuple[Attribute, Evaluator]:
    """A flag that is on where the condition holds."""
    attribute = Attribute("x", AttributeType(kind))
    rules = rules_of("f", rules=[{"match": [{"attribute": "x", "tests": tests}], "serve": "on"}])
    return attribute, compile_ruleset(Ruleset(1, {"x": attribute}, {}, {"f": rules}), {})


@pytest.mark.parametrize("vector", VECTORS["conditions"], ids=lambda vector: f"{vector['type']}: {vector['note']}")
def test_a_condition_holds_for_what_the_published_vectors_say(vector: dict[str, Any]) -> None:
    attribute, evaluator = one_condition(vector["type"], vector["tests"])
    for value in vector["holds"]:
        assert evaluator.flags["f"]({"x": read_value(attribute, value)}).on, value
    for value in vector["fails"]:
        answer = evaluator.flags["f"]({"x": read_value(attribute, value)})
        assert (answer.on, answer.error_code) == (False, None), value
    missing = evaluator.flags["f"]({})
    assert (missing.on, missing.error_code) == (False, None)


def test_the_vectors_have_every_condition_on_every_type_that_may_have_it() -> None:
    seen = {(vector["type"], test[0]) for vector in VECTORS["conditions"] for test in vector["tests"]}
    text = {("string", test) for test in ("one_of", "none_of", "starts_with", "ends_with", "contains")}
    sets = {(kind, test) for kind in ("boolean", "number", "version", "datetime") for test in ("one_of", "none_of")}
    ordered = {(kind, "compare") for kind in ("number", "version", "datetime")}
    assert seen == text | sets | ordered


def test_a_flag_of_the_wrong_making_fails_alone() -> None:
    """Whatever a store might hold by a mistake of ours."""
    sound = rules_of("a")
    nonsense = replace(rules_of("b"), type=None, variants={}, on=None, rules=(object(),), admissions=(object(),))  # type: ignore[arg-type]
    evaluator = compile_ruleset(Ruleset(1, {}, {}, {"a": sound, "b": nonsense}), {})
    assert evaluator.flags["a"]({}).error_code is None
    answer = evaluator.flags["b"]({"user_id": "u-1"})
    assert (answer.on, answer.reason, answer.error_code) == (False, "ERROR", "GENERAL")


def test_a_context_that_nobody_read_breaks_nothing() -> None:
    _, evaluator = one_condition("version", [["compare", [">=", "8"]]])
    for value in (None, "new", [], object()):
        answer = evaluator.flags["f"]({"x": value})  # type: ignore[dict-item]
        assert (answer.on, answer.error_code) == (False, "GENERAL")
