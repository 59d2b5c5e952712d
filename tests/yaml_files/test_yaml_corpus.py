"""The reader, and the JSON Schema beside it, over the corpus."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from yaml_corpus import BROKEN, GOOD, read, said_of

from rollout.core.errors import InvalidFile, InvalidInput
from rollout.yaml_files.nodes import ListNode, Node, Scalar, parse
from rollout.yaml_files.notes import Notes
from rollout.yaml_files.problems import as_text
from rollout.yaml_files.scalars import core_value
from rollout.yaml_files.schema import schema
from rollout.yaml_files.source import source_of

NOT_YAML = "what editors check is YAML by then; this they refuse themselves, or never hand on"
REFERENCE = "a schema does not know which names were declared"
TYPE = "a schema does not know the declared type of an attribute"
ORDER = "a schema does not compare one stage with another"
ORDER_OF_TIMES = "a schema does not compare two times in one text"
SUM = "a schema does not calculate"
PLACE = "a schema does not know the places of the IANA list"
DISK = "a schema does not look at the disk"
CORE = "YAML's core schema takes both ways of writing for the same value"

BEYOND_A_SCHEMA = {
    "alias": NOT_YAML,
    "alias-bomb": NOT_YAML,
    "anchor": NOT_YAML,
    "merge-key": NOT_YAML,
    "tag": NOT_YAML,
    "duplicate-key": NOT_YAML,
    "duplicate-flag": NOT_YAML,
    "duplicate-key-quoted": NOT_YAML,
    "directive": NOT_YAML,
    "two-documents": NOT_YAML,
    "nested-too-deep": NOT_YAML,
    "key-is-a-list": NOT_YAML,
    "key-is-empty": NOT_YAML,
    "off-empty": CORE,
    "control-character-by-escape": "printable is more than a pattern that editors share can say",
    "condition-on-unknown-attribute": REFERENCE,
    "condition-outside-values": REFERENCE,
    "condition-on-an-unknown-segment": REFERENCE,
    "segments-in-a-circle": REFERENCE,
    "segments-too-deep": REFERENCE,
    "guard-by-unknown": REFERENCE,
    "plan-does-not-fit-the-audience": REFERENCE,
    "rollout-unknown-audience": REFERENCE,
    "rollout-unknown-guard": REFERENCE,
    "rollout-unknown-plan": REFERENCE,
    "rollout-audience-twice": "a schema does not look into a mapping and beside it",
    "stage-unknown-guard": REFERENCE,
    "stage-unknown-segment": REFERENCE,
    "flag-unknown-audience": REFERENCE,
    "flag-requires-unknown": REFERENCE,
    "flag-requires-itself": REFERENCE,
    "flag-requires-in-a-circle": REFERENCE,
    "flag-requires-too-deep": REFERENCE,
    "flag-bucket-by-unknown": REFERENCE,
    "flag-bucket-by-number": TYPE,
    "on-unknown": REFERENCE,
    "on-is-off": REFERENCE,
    "off-unknown": REFERENCE,
    "split-of-unknown": REFERENCE,
    "rule-serves-unknown": REFERENCE,
    "condition-boolean-in-a-list": TYPE,
    "condition-not-a-boolean": TYPE,
    "condition-not-a-datetime": TYPE,
    "condition-not-a-number": TYPE,
    "condition-not-a-version": TYPE,
    "condition-caret-range": TYPE,
    "condition-string-compared": TYPE,
    "condition-version-contains": TYPE,
    "condition-comparison-in-a-list": TYPE,
    "condition-comparison-inside-not": TYPE,
    "guard-by-number": TYPE,
    "condition-listed-twice": "1.1 and 1.10 are one number to a schema, and two versions",
    "condition-contradiction": SUM,
    "guard-confidence-of-100": SUM,
    "stages-go-down": ORDER,
    "stages-stay": ORDER,
    "stages-after-everyone": ORDER,
    "stages-of-one-name": ORDER,
    "stage-name-of-another-share": ORDER,
    "plan-goes-down": ORDER,
    "split-does-not-add-up": SUM,
    "flag-expires-never": SUM,
    "variants-integer-and-float": "1 and 1.0 are one number to a schema",
    "variant-integer-too-large": "an integer of that size is a float to a schema",
    "variant-float-not-finite": "JSON, and so its schemas, have no infinity",
    "variant-object-with-infinity": "JSON, and so its schemas, have no infinity",
    "window-zone-unknown": PLACE,
    "window-zone-of-another-case": PLACE,
    "window-zone-without-continent": PLACE,
    "window-zone-without-a-zone-of-its-own": PLACE,
    "window-zone-abbreviation": PLACE,
    "window-zone-of-the-machine": PLACE,
    "window-hours-backwards": ORDER_OF_TIMES,
    "window-hours-of-nothing": ORDER_OF_TIMES,
    "window-hours-to-midnight": ORDER_OF_TIMES,
    "window-avoid-backwards": ORDER_OF_TIMES,
    "window-avoid-no-such-day": SUM,
    "window-never-opens": SUM,
    "window-shut-for-a-year": SUM,
    "rollout-windows-never-together": SUM,
    "rollout-unknown-window": REFERENCE,
    "rollout-undeclared-window": REFERENCE,
    "plan-unknown-window": REFERENCE,
    "members-missing-file": DISK,
}


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_a_broken_file_is_refused_with_exactly_the_problems_that_its_twin_lists(path: Path) -> None:
    with pytest.raises(InvalidFile) as refusal:
        read(path.read_bytes())
    assert as_text(refusal.value.problems) + "\n" == said_of(path)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_file_is_read_with_the_warnings_of_its_twin_or_none(path: Path) -> None:
    warnings = read(path.read_bytes()).warnings
    assert as_text(warnings) == said_of(path).removesuffix("\n")


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_the_schema_accepts_every_good_file(path: Path) -> None:
    assert list(complaints(path)) == []


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_the_schema_refuses_every_broken_file_but_those_that_only_the_reader_can_tell(path: Path) -> None:
    value = as_editors_see_it(path)
    if value is None:
        return  # an editor shows it as broken YAML
    refused = not Draft202012Validator(schema()).is_valid(value)
    assert refused is not (path.stem in BEYOND_A_SCHEMA)


def test_every_exception_to_the_schema_is_a_file_of_the_corpus() -> None:
    assert set(BEYOND_A_SCHEMA) <= {path.stem for path in BROKEN}


def test_the_schema_is_a_valid_schema() -> None:
    Draft202012Validator.check_schema(schema())


def test_there_are_at_least_eighty_broken_files() -> None:
    assert len(BROKEN) >= 80


def complaints(path: Path) -> Iterator[str]:
    for error in Draft202012Validator(schema()).iter_errors(as_editors_see_it(path)):
        yield f"{error.json_path}: {error.message}"


def as_editors_see_it(path: Path) -> Any:
    """The file's values as YAML 1.2's core schema types them; None where it is no YAML."""
    source = source_of(path.read_bytes(), path.name)
    root = parse(source, Notes(source))
    return None if root is None else core(root)


def core(node: Node) -> Any:
    if isinstance(node, Scalar):
        try:
            return core_value(node)
        except InvalidInput:  # numbers that the reader refuses as such
            return int(node.text) if node.text.lstrip("-").isdigit() else math.inf
    if isinstance(node, ListNode):
        return [core(item) for item in node.items]
    return {key: core(value) for key, (_, value) in node.entries.items()}
