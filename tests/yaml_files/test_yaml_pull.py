"""Pulling what is live into the file: which stages it writes or takes out, and that it touches nothing else."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yaml_corpus import CORPUS, read

from rollout.core.changes import enter, load_flag, served, set_share
from rollout.core.definitions import FlagFile
from rollout.core.errors import InvalidFile, InvalidInput, RevisionConflict, RolloutError
from rollout.core.plans import Exposure, stages_done
from rollout.core.progress import FlagRecord, Progress, Stop
from rollout.core.shares import NOBODY, Share
from rollout.yaml_files.nodes import ListNode, MapNode, parse
from rollout.yaml_files.notes import Notes
from rollout.yaml_files.pull import AddStage, DropStages, Pull, pull_file, pulled, pulls, splice
from rollout.yaml_files.reader import read_file
from rollout.yaml_files.replacing import replace_file
from rollout.yaml_files.source import Source

FOUNDING = (CORPUS / "good" / "founding.yaml").read_text(encoding="utf-8")
STOP = Stop("amit", datetime(2026, 11, 23, 3, 0, tzinfo=UTC), "looks wrong")

HEAD = """\
version: 1
segments:
  employees: { description: Staff 🎉 और लोग, match: { user_id: [u-1] } }
  testers:   { description: 'Those who asked', match: { user_id: [u-2] } }
  india:     { description: In India, match: { user_id: [u-3] } }
guards:
  failures: { metric: transfer, max: 2% }
flags:
  payments:
    description: पैसे भेजें 💸   # भुगतान
    owner: "oncall@example.com"
    enabled: true
    rollout:
      audience: india
      bake: 7d
"""
TAIL = "\n  other: { description: Other, owner: x, rollout: { stages: [ 1%,2% , 100% ] } }   # ends here\n"


def with_stages(stages: str) -> str:
    """A flags file in which `payments` has these stages, written as they stand."""
    return f"{HEAD}      {stages}{TAIL}"


def exposure(**shares: str) -> Exposure:
    return {audience: Share.parse(share) for audience, share in shares.items()}


def pull_into(text: str, live: Exposure, *, held: bool) -> str:
    file = read(text)
    found = pulls(file, {"payments": live}, {"payments"} if held else set())
    return pulled(file, found).text


def check(before: str, after: str, *, held: bool, **live: str) -> None:
    """The stages become these, whatever ends the lines; nothing else changes, and loading it changes nobody."""
    for line_end in ("\n", "\r\n", "\r"):
        text = with_stages(before).replace("\n", line_end)
        new = pull_into(text, exposure(**live), held=held)
        assert new == with_stages(after).replace("\n", line_end)
        assert_nobody_notices(text, new, exposure(**live))
        assert pull_into(new, exposure(**live), held=held) == new


def assert_nobody_notices(text: str, new: str, live: Exposure) -> None:
    before, after = (read(one).definitions.flags["payments"] for one in (text, new))
    progress = Progress(live, halted=STOP)
    assert load_flag(FlagRecord(before, progress, 1), after) == progress


@pytest.mark.parametrize(
    ("before", "share", "after"),
    [
        ("stages: [1%, 5%]", "3%", "stages: [1%, 3%, 5%]"),
        ("stages: [1%,5%]", "3%", "stages: [1%,3%,5%]"),
        ("stages: [ 1% ,  5% ,  9% ]", "3%", "stages: [ 1% ,  3% ,  5% ,  9% ]"),
        ("stages: [1%]", "3%", "stages: [1%, 3%]"),
        ("stages: [1%, 5%,]", "7%", "stages: [1%, 5%, 7%,]"),
        ("stages: [1%, 5% , ]", "7%", "stages: [1%, 5% , 7% , ]"),
        ("stages: [5%, 9%]", "0.0001%", "stages: [0.0001%, 5%, 9%]"),
        ("stages: [5%]", "3%", "stages: [3%, 5%]"),
        ("stages: [employees, 1%, testers, 5%]", "3%", "stages: [employees, 1%, testers, 3%, 5%]"),
        ("stages: [employees, 1%, 5%, testers]", "7%", "stages: [employees, 1%, 5%, testers, 7%]"),
        ("stages: ['1%', \"5%\"]", "3%", "stages: ['1%', 3%, \"5%\"]"),
        ("stages: [1%, india]", "3%", "stages: [1%, 3%, india]"),
        (
            "stages: [1%, { percentage: 50%, approval: true }]  # slowly, आराम से",
            "3%",
            "stages: [1%, 3%, { percentage: 50%, approval: true }]  # slowly, आराम से",
        ),
        ("stages: [percentage: 1% , percentage: 5%]", "3%", "stages: [percentage: 1% , 3% , percentage: 5%]"),
        ('"stages": [1%, 5%]', "3%", '"stages": [1%, 3%, 5%]'),
        ("{stages: [1%, 5%]}".strip("{}"), "3%", "stages: [1%, 3%, 5%]"),
    ],
)
def test_a_share_that_is_held_becomes_a_stage_of_a_list_in_brackets(before: str, share: str, after: str) -> None:
    check(before, after, held=True, employees="100%", testers="100%", india=share) if "employees" in before else check(
        before, after, held=True, india=share
    )
