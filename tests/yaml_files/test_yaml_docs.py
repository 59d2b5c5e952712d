"""What docs/file-format.md shows is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from yaml_corpus import read

from rollout.core.errors import InvalidFile
from rollout.yaml_files import conditions, flags, guards, reader, segments, stages, windows
from rollout.yaml_files.hints import Vocabulary
from rollout.yaml_files.problems import as_text

PAGE = (Path(__file__).parents[2] / "docs" / "file-format.md").read_text(encoding="utf-8")


def block(language: str, containing: str) -> str:
    found = [text for name, text in re.findall(r"```(\w*)\n(.*?)```", PAGE, re.DOTALL) if name == language]
    return next(text for text in found if containing in text)


def test_the_small_file_is_a_good_one() -> None:
    assert read(block("yaml", "version: 1")).warnings == ()


@pytest.mark.parametrize(
    "vocabulary",
    [
        reader.FILE,
        segments.ATTRIBUTE,
        segments.SEGMENT_KEYS,
        guards.GUARD,
        windows.WINDOW,
        stages.PLAN,
        stages.ROLLOUT,
        stages.STAGE,
        flags.FLAG,
        flags.RULE,
        conditions.TEXT_TESTS,
    ],
    ids=lambda vocabulary: vocabulary.kind,
)
def test_every_key_is_described(vocabulary: Vocabulary) -> None:
    described = set(re.findall(r"`(\w+)`", PAGE)) | set(re.findall(r"\{ (\w+):", PAGE))
    assert set(vocabulary.keys) <= described


def test_errors_look_as_the_page_shows() -> None:
    shown = block("", "contry")
    text = (
        "version: 1\nattributes:\n  country: { type: string, values: [IN, GB] }\nsegments:\n  india:\n"
        "    description: People in India\n    match:\n      contry: IN\n\nflags:\n  payments:\n"
        "    description: Send money to a person\n    owner: payments-oncall@example.com\n\n    enabled: yes\n"
        "    rollout:\n      bake: 1d\n      stages: [5%, 120%]\n"
    )
    with pytest.raises(InvalidFile) as refusal:
        read(text)
    assert as_text(refusal.value.problems) + "\n" == shown


def test_the_window_is_a_good_one() -> None:
    assert read(f"version: 1\n{block('yaml', 'windows:')}flags: {{}}\n").warnings == ()
