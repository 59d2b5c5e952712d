"""A flags file as a ruleset, for a client that asks no service: where reading files and evaluating them meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rollout.core.definitions import FlagFile
from rollout.core.loading import load_file
from rollout.core.members import Membership, open_members
from rollout.core.plans import ceiling
from rollout.core.progress import FlagRecord, State
from rollout.core.progression import Moment
from rollout.core.ruleset import Ruleset, ruleset_in_force
from rollout.yaml_files.reader import read_file

ANY_MOMENT = Moment(datetime.fromtimestamp(0, UTC))  # nothing in a ruleset depends on it


def read_flags(path: Path) -> tuple[Ruleset, Mapping[str, Membership]]:
    """As on a new service that has just read this file, with each rollout at its first stage. Raises InvalidFile."""
    return begun(read_file(path))


def begun(file: FlagFile) -> tuple[Ruleset, Mapping[str, Membership]]:
    state = load_file(State(), file, 1, ANY_MOMENT).after
    records = {key: _at_first_stage(record) for key, record in state.records.items()}
    members = {digest: open_members(packed) for digest, packed in file.members.items()}
    return ruleset_in_force(replace(state, records=records)), members


def _at_first_stage(record: FlagRecord) -> FlagRecord:
    if record.flag.rollout is None or not record.flag.enabled:
        return record
    exposure = ceiling(record.flag.rollout.stages[:1])
    return replace(record, progress=replace(record.progress, exposure=exposure))
