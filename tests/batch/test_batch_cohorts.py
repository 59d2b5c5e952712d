"""Whole populations get the answers that each of their people would get alone."""

from __future__ import annotations

from typing import Any

import pytest
from batchkit import KINDS, batch_of, told_by_columns, told_one_by_one
from hypothesis import given
from hypothesis import strategies as st

from rollout.batch.cohorts import compile_cohort
from rollout.core.attributes import Attribute, AttributeType
from rollout.core.context import read_context
from rollout.core.members import pack_members
from rollout.core.ruleset import Ruleset, ruleset_in_force
from tests.core.promises import promise
from tests.core.strategies import ATTRIBUTES, Dice, a_context, a_state, compiled, seeds
from tests.core.test_core_answers import VECTORS, rules_of, state_of

PACKED = {"staff": pack_members(["u-1", "प्रिया"]), "testers": pack_members(["u-2", "😀"])}
TYPES = {name: attribute.type for name, attribute in ATTRIBUTES.items()}


@promise()
@given(seeds, st.sampled_from(KINDS))
def test_no_ruleset_and_nobody_gets_another_answer_by_columns(seed: int, make: Any) -> None:
    dice = Dice(seed)
    state = a_state(dice)
    people = [a_context(dice) for _ in range(40)]
    evaluator, batch = compiled(state), batch_of(people, TYPES, make)
    for flag in state.records:
        cohort = compile_cohort(ruleset_in_force(state), flag, PACKED)
        assert told_by_columns(cohort, batch) == told_one_by_one(evaluator, flag, people)


@promise(100)
@given(seeds)
def test_the_columns_that_a_cohort_names_are_all_that_it_needs(seed: int) -> None:
    dice = Dice(seed)
    state = a_state(dice)
    batch = batch_of([a_context(dice) for _ in range(20)], TYPES)
    for flag in state.records:
        cohort = compile_cohort(ruleset_in_force(state), flag, PACKED)
        assert told_by_columns(cohort, batch.select(list(cohort.columns))) == told_by_columns(cohort, batch)


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("suite", VECTORS["suites"], ids=lambda suite: suite["name"])
def test_people_are_served_what_the_published_vectors_say(suite: dict[str, Any], make: Any) -> None:
    state = state_of(suite)
    attributes = state.definitions.attributes
    kinds = {"user_id": AttributeType.STRING} | {name: attribute.type for name, attribute in attributes.items()}
    packed = {digest: pack_members(keys) for digest, keys in suite["members"].items()}
    for case in suite["cases"]:
        context, _ = read_context(case["context"], attributes)
        cohort = compile_cohort(ruleset_in_force(state), case["flag"], packed)
        expect = case["expect"]
        assert told_by_columns(cohort, batch_of([context], kinds, make)) == [(expect["on"], expect["variant"])], case


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("vector", VECTORS["conditions"], ids=lambda vector: f"{vector['type']}: {vector['note']}")
def test_a_condition_holds_for_what_the_published_vectors_say(vector: dict[str, Any], make: Any) -> None:
    kind = AttributeType(vector["type"])
    rules = rules_of("f", rules=[{"match": [{"attribute": "x", "tests": vector["tests"]}], "serve": "on"}])
    cohort = compile_cohort(Ruleset(1, {"x": Attribute("x", kind)}, {}, {"f": rules}), "f", {})
    values = [*vector["holds"], *vector["fails"], None]
    people = [{"x": value} for value in values]
    expected = [True] * len(vector["holds"]) + [False] * (len(vector["fails"]) + 1)
    assert [on for on, _ in told_by_columns(cohort, batch_of(people, {"x": kind}, make))] == expected
