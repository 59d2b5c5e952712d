"""One table of random flags files and contexts, answered the same by explain, GET, OFREP, the Python client and the
OpenFeature provider: one rule of who has a flag, whichever way one asks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode

from rollout.client import Rollout
from rollout.client.editions import NOTHING, edition_of, next_edition
from rollout.client.openfeature import RolloutProvider
from rollout.core.flags import ValueType
from rollout.core.progress import State
from rollout.core.ruleset import Ruleset
from rollout.service.snapshot import Snapshot
from tests.core.strategies import MEMBERS, Dice, a_context, a_state, compiled
from tests.web.webkit import Site

PAIRS = 1000
DEFAULTS: dict[ValueType, Any] = {
    ValueType.BOOLEAN: True,
    ValueType.STRING: "mine",
    ValueType.INTEGER: -7,
    ValueType.FLOAT: -7.5,
    ValueType.OBJECT: {"mine": [1, 1.0, True]},
}
WRONG = {
    "country": (5, True, "I\x00N", "I\x7fN", "x" * 1025),
    "premium": ("yes", 1, 0, 1.0),
    "orders": ("many", True, 10**400, "1e999"),
    "app_version": ("newest", 8.2, ""),
    "signed_up": ("yesterday", 0),
    "user_id": (17, False, "u\n1"),
}
ODD_BUT_RIGHT = {
    "premium": ("true", "false"),
    "orders": ("12", "2.5", -(2**53) - 1),
    "undeclared": ("x", 3),
    "country": (None, "\u2028"),
}


class Ways:
    """Every way to ask, of one state after the other."""

    def __init__(self) -> None:
        self.site = Site()
        self.client = Rollout._of(edition_of(Ruleset(1, {}, {}, {}), {}))
        api.set_provider_and_wait(RolloutProvider(self.client))
        self.openfeature = api.get_client()

    def are_at(self, state: State) -> None:
        self.state = state
        self.site.follower.current = Snapshot(state, compiled(state), members=MEMBERS)
        self.site.follower.stale = False
        document = json.loads(self.site.get("/v1/ruleset").data)
        self.client._accept(next_edition(document, NOTHING, MEMBERS.__getitem__))

    def check_same(self, key: str, context: dict[str, Any]) -> None:
        details = self.client.details(key, None, **context)
        assert self.client.is_on(key, **context) == details.on
        assert self.client.is_on(key, **context) == details.on, "also when the attributes are known already"
        assert self.client.value(key, None, **context) == details.value
        assert self.client.variant(key, **context) == details.variant
        self._check_explained(key, context, details)
        self._check_ofrep(key, context, details)
        self._check_openfeature(key, context, details)

    def check_same_as_text(self, key: str, context: dict[str, Any]) -> None:
        """What a query can carry."""
        details = self.client.details(key, None, **context)
        query = {name: value if isinstance(value, str) else json.dumps(value) for name, value in context.items()}
        document = self.site.get(f"/v1/flags/{key}", query_string=query).get_json()
        said = (document["on"], document["value"], document["variant"], document["reason"])
        assert exactly(said) == exactly((details.on, details.value, details.variant, details.reason))
        assert document.get("error", {}).get("code") == details.error_code
        explained = self.site.get(f"/v1/explain/{key}", query_string=query).get_json()
        said = (explained["on"], explained["value"], explained["variant"], explained["reason"])
        assert exactly(said) == exactly((details.on, details.value, details.variant, details.reason))

    def _check_explained(self, key: str, context: dict[str, Any], details: Any) -> None:
        answer = self.client.explain(key, **context).answer
        assert (answer.on, answer.variant, answer.reason) == (details.on, details.variant, details.reason)

    def _check_ofrep(self, key: str, context: dict[str, Any], details: Any) -> None:
        response = self.site.post(f"/ofrep/v1/evaluate/flags/{key}", {"context": context})
        document = json.loads(response.data)
        assert document.get("errorCode") == details.error_code
        if details.error_code is None:
            said = (document.get("value"), document["variant"], document["reason"])
            self.metadata = document["metadata"]
            assert exactly(said) == exactly((details.value, details.variant, details.reason))

    def _check_openfeature(self, key: str, context: dict[str, Any], details: Any) -> None:
        kind = self.state.records[key].flag.type
        others = dict(context)
        # The SDK takes an empty targeting key for none.
        named = isinstance(context.get("user_id"), str) and context["user_id"] != ""
        asked = EvaluationContext(others.pop("user_id") if named else None, others)
        found = getattr(self.openfeature, f"get_{kind.value}_details")(key, DEFAULTS[kind], asked)
        assert found.error_code == (None if details.error_code is None else ErrorCode(details.error_code))
        if details.error_code is None:
            expected = DEFAULTS[kind] if details.value is None else details.value
            said = (
                found.value,
                found.variant,
                str(found.reason),
            )
            assert exactly(said) == exactly((expected, details.variant, details.reason))
            assert found.flag_metadata == self.metadata
        else:
            assert exactly(found.value) == exactly(DEFAULTS[kind])


def exactly(said: Any) -> str:
    """1, 1.0 and True differ."""
    return json.dumps(said, sort_keys=True)


@pytest.fixture
def ways() -> Iterator[Ways]:
    yield Ways()
    api.clear_providers()


def test_every_way_to_ask_gives_the_same_answer(ways: Ways) -> None:
    for seed in range(PAIRS):
        dice = Dice(seed)
        ways.are_at(a_state(dice))
        context = a_context(dice)
        for key in ways.state.records:
            try:
                ways.check_same(key, context)
                ways.check_same_as_text(key, context)
            except AssertionError as differs:
                raise AssertionError(f"seed {seed}, {key}, {context}: {differs}") from differs


@pytest.mark.parametrize(("wrong", "refused"), [(WRONG, True), (ODD_BUT_RIGHT, False)], ids=["wrong", "odd but right"])
def test_values_of_other_types_are_taken_or_refused_alike(
    ways: Ways, wrong: dict[str, tuple[Any, ...]], refused: bool
) -> None:
    ways.are_at(a_state(Dice(17)))
    for key in ways.state.records:
        for name, values in wrong.items():
            for value in values:
                context = {"user_id": "u-1", "country": "IN", name: value}
                assert (ways.client.details(key, **context).error_code == "INVALID_CONTEXT") == refused, context
                if not (name == "orders" and value == 10**400):  # no JSON that anybody reads
                    ways.check_same(key, context)


def test_too_many_attributes_are_refused_alike(ways: Ways) -> None:
    ways.are_at(a_state(Dice(17)))
    many = {f"a{number}": "x" for number in range(101)}
    for key in ways.state.records:
        ways.check_same(key, many)
        assert ways.client.details(key, **many).error_code == "INVALID_CONTEXT"
