"""The OpenFeature provider test kit, carried out: its scenarios as data, its flags as a flags file of ours, and what
each of its sentences means for an OpenFeature client in Python.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from gherkin.parser import Parser
from gherkin.pickles.compiler import Compiler
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagEvaluationDetails

KIT = Path(__file__).parent / "openfeature_tck"

Table: TypeAlias = list[list[str]]


@dataclass(frozen=True)
class Scenario:
    """A scenario with the values of one line of its examples."""

    name: str
    steps: tuple[tuple[str, Table], ...]

    @property
    def label(self) -> str:
        """The sentence, and what is asked for."""
        asked = next((text for text, _ in self.steps if "-flag with key" in text), "")
        return f"{self.name}: {asked}" if asked else self.name


def scenarios() -> Iterator[Scenario]:
    for file in sorted(KIT.glob("*.feature")):
        document = {**Parser().parse(file.read_text()), "uri": file.name}
        for pickle in Compiler().compile(document):
            yield Scenario(pickle["name"], tuple((step["text"], _table(step)) for step in pickle["steps"]))


def _table(step: dict[str, Any]) -> Table:
    rows = step.get("argument", {}).get("dataTable", {}).get("rows", [])
    return [[cell["value"] for cell in row["cells"]] for row in rows]


def flags_file() -> str:
    """The kit's flags in our words. JSON is YAML too, and keeps 10.0 apart from 10."""
    kit = json.loads((KIT / "canonical-flags.json").read_text())["flags"]
    flags = {key: _flag(key, flag) for key, flag in kit.items()}
    return json.dumps({"version": 1, "attributes": {"user_id": {"type": "string"}}, "flags": flags}, indent=2)


def _flag(key: str, flag: dict[str, Any]) -> dict[str, Any]:
    ours = {
        "description": f"{key} of the provider test kit",
        "owner": "kit@example.com",
        "enabled": flag["state"] == "ENABLED",
        "variants": flag["variants"],
        "on": flag["defaultVariant"],
        "off": None,
    }
    if "targeting" not in flag:
        return ours
    equal, serve, _ = flag["targeting"]["if"]
    variable, value = equal["=="]
    assert variable == {"var": "targetingKey"}
    rule = {"match": {"user_id": value}, "serve": serve}
    return {**ours, "rules": [rule], "on": serve, "off": flag["defaultVariant"]}


@dataclass
class Run:
    """One scenario under way."""

    client: OpenFeatureClient
    evaluate: Callable[..., FlagEvaluationDetails] | None = None
    key: str = ""
    default: Any = None
    context: EvaluationContext = field(default_factory=EvaluationContext)
    details: FlagEvaluationDetails | None = None

    def carry_out(self, scenario: Scenario) -> None:
        """Raises AssertionError where the client does something else."""
        for text, table in scenario.steps:
            step, words = _step(text)
            step(self, *words, *([table] if table else []))

    def a_stable_provider(self) -> None:
        pass

    def a_flag(self, kind: str, key: str, default: str) -> None:
        self.evaluate = getattr(self.client, f"get_{kind.lower()}_details")
        self.key, self.default = key, read(kind, default)

    def a_targeting_key(self, value: str) -> None:
        self.context = EvaluationContext(targeting_key=value)

    def evaluated(self) -> None:
        assert self.evaluate is not None
        self.details = self.evaluate(self.key, self.default, self.context)  # would raise here, if it did

    def _found(self) -> FlagEvaluationDetails:
        assert self.details is not None
        return self.details

    def the_value_is(self, expected: str) -> None:
        wanted = read(type(self.default).__name__, expected)
        found = self._found().value
        assert (type(found), found) == (type(wanted), wanted)

    def the_object_contains(self, table: Table) -> None:
        found = self._found().value
        for name, kind, expected in table[1:]:
            wanted = read(kind, expected)
            assert (type(found[name]), found[name]) == (type(wanted), wanted)

    def the_reason_is(self, expected: str) -> None:
        assert self._found().reason == expected

    def the_variant_is(self, expected: str) -> None:
        assert self._found().variant == expected

    def the_error_code_is(self, expected: str) -> None:
        assert (self._found().error_code or "") == expected

    def no_error_message(self) -> None:
        assert not self._found().error_message

    def no_exception(self) -> None:
        assert self.details is not None

    def the_provider_has_a_name(self) -> None:
        assert self.client.provider.get_metadata().name


STEPS: tuple[tuple[re.Pattern[str], Callable[..., None]], ...] = tuple(
    (re.compile(pattern), step)
    for pattern, step in (
        (r"a stable provider", Run.a_stable_provider),
        (r'an? (\w+)-flag with key "(.*)" and a default value "(.*)"', Run.a_flag),
        (r'a context containing a targeting key with value "(.*)"', Run.a_targeting_key),
        (r"the flag was evaluated with details", Run.evaluated),
        (r'the resolved details value should be "(.*)"', Run.the_value_is),
        (r"the resolved object value should contain", Run.the_object_contains),
        (r'the reason should be "(.*)"', Run.the_reason_is),
        (r'the variant should be "(.*)"', Run.the_variant_is),
        (r'the error-code should be "(.*)"', Run.the_error_code_is),
        (r"the error message should be empty", Run.no_error_message),
        (r"no exception should have been thrown", Run.no_exception),
        (r"the provider metadata name should not be empty", Run.the_provider_has_a_name),
    )
)


def _step(text: str) -> tuple[Callable[..., None], tuple[str, ...]]:
    for pattern, step in STEPS:
        if found := pattern.fullmatch(text):
            return step, found.groups()
    raise LookupError(f"the kit says {text!r}, and nothing here knows what that means")


READERS: dict[str, Callable[[str], Any]] = {
    "boolean": lambda text: {"true": True, "false": False}[text],
    "bool": lambda text: {"true": True, "false": False}[text],
    "string": str,
    "str": str,
    "integer": int,
    "int": int,
    "float": float,
    "object": json.loads,
    "dict": json.loads,
}


def read(kind: str, text: str) -> Any:
    return READERS[kind.lower()](text)
