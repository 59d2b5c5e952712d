"""All that one version of flags.yaml says, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rollout.core.approvals import Approvals
from rollout.core.attributes import Attribute
from rollout.core.errors import Problem
from rollout.core.flags import Flag
from rollout.core.guards import Guard
from rollout.core.segments import Segment
from rollout.core.windows import Window


@dataclass(frozen=True, slots=True)
class Definitions:
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    segments: Mapping[str, Segment] = field(default_factory=dict)
    guards: Mapping[str, Guard] = field(default_factory=dict)
    flags: Mapping[str, Flag] = field(default_factory=dict)
    windows: Mapping[str, Window] = field(default_factory=dict)
    approvals: Approvals | None = None  # None: nobody has to agree


@dataclass(frozen=True, slots=True)
class FlagFile:
    """A version of the file: what it says, and the file itself for the record."""

    name: str  # "flags.yaml"
    digest: str  # of the text and of every member list: two copies with the same digest say the same
    text: str
    definitions: Definitions
    members: Mapping[str, bytes] = field(default_factory=dict)  # digest -> packed member list
    lines: Mapping[str, int] = field(default_factory=dict)  # "flags.payments.rollout.stages.0" -> line, from 1
    warnings: tuple[Problem, ...] = ()
