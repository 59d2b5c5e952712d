"""A rollout is looked at as if it stood somewhere else, and nothing else is."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from rollout.batch import cohort_at, cohort_batches, state_of
from rollout.batch.standing import exposure_at, required_at
from rollout.core.errors import InvalidInput, UnknownFlag
from rollout.core.shares import Share
from rollout.yaml_files.reader import read_text

FLAGS = """\
version: 1
attributes:
  user_id: { type: string }
  country: { type: string }
segments:
  testers: { description: t, match: { country: [IN] } }
  india: { description: i, match: { country: IN } }
flags:
  payments:
    description: d
    owner: o
    enabled: true
    rollout: { audience: india, stages: [testers, 1%, { percentage: 10%, audience: everyone, name: few }, 50%] }
  shops:
    description: d
    owner: o
    enabled: true
    requires: [payments]
    rollout: { stages: [20%, 100%] }
  plain:
    description: d
    owner: o
    enabled: true
"""
FILE = read_text(FLAGS, load_members=lambda _: b"")
STATE = state_of(FILE)


def standing(share: str, audience: str | None = None) -> dict[str, str]:
    exposure = exposure_at(STATE.records["payments"].flag, Share.parse(share), audience)
    return {name: str(live) for name, live in exposure.items()}


def test_a_file_alone_has_nobody_in_its_rollouts_and_everybody_in_flags_without_one() -> None:
    exposures: dict[str, Any] = {key: record.progress.exposure for key, record in STATE.records.items()}
    assert exposures["payments"] == exposures["shops"] == {}
    assert exposures["plain"] == {"everyone": Share.parse("100%")}


def test_at_a_share_all_stages_before_it_are_admitted_and_none_after() -> None:
    assert standing("0%") == {"testers": "100%"}
    assert standing("0.5%") == {"testers": "100%", "india": "0.5%"}
    assert standing("1%") == {"testers": "100%", "india": "1%"}
    assert standing("30%") == {"testers": "100%", "india": "30%", "everyone": "10%"}
    assert standing("80%") == {"testers": "100%", "india": "80%", "everyone": "10%"}
    assert standing("5%", "everyone") == {"testers": "100%", "india": "1%", "everyone": "5%"}


def test_a_share_of_nothing_that_the_plan_speaks_of_is_an_error() -> None:
    with pytest.raises(InvalidInput, match="does not speak of moon"):
        standing("5%", "moon")
    with pytest.raises(InvalidInput, match="no rollout"):
        cohort_at(STATE, "plain", {}, Share.parse("5%"))
    with pytest.raises(UnknownFlag):
        cohort_at(STATE, "payment", {})


def test_what_is_required_can_be_taken_to_stand_at_the_same_share() -> None:
    state = required_at(STATE, "shops", Share.parse("30%"))
    assert {name: str(live) for name, live in state.records["payments"].progress.exposure.items()} == standing("30%")
    assert state.records["shops"] == STATE.records["shops"]


def test_a_cohort_of_a_file_answers_batches() -> None:
    batch = pa.RecordBatch.from_pydict({"user_id": ["u-1", "u-2"], "country": ["IN", "GB"]})
    cohort = cohort_at(STATE, "payments", FILE.members, Share.parse("0%"))
    (answers,) = cohort_batches([batch], cohort)
    assert answers.to_pylist() == [
        {"id": "u-1", "on": True, "variant": "on"},
        {"id": "u-2", "on": False, "variant": "off"},
    ]
