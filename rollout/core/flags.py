"""A flag as the file states it: what it is worth (variants), to whom (rules, audience, rollout) and on what conditions
(enabled, requires, locked). Where it stands on its way is not here: see `progress`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeAlias

from rollout.core.plans import Rollout, Stage
from rollout.core.segments import EVERYONE, Match
from rollout.core.shares import EVERYBODY, Share

FLAG_KEY = re.compile(r"[a-z][a-z0-9-]{0,62}")
TARGETING_ATTRIBUTE = "user_id"

VariantValue: TypeAlias = bool | str | int | float | Mapping[str, Any]


class ValueType(StrEnum):
    BOOLEAN = "boolean"
    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"
    OBJECT = "object"


@dataclass(frozen=True, slots=True)
class Split:
    """Several variants, each for its share of those who have the flag. The shares add up to 100 %."""

    shares: tuple[tuple[str, Share], ...]


Serving: TypeAlias = str | Split
"""What somebody is served: a variant's name, or a split of several."""


@dataclass(frozen=True, slots=True)
class Rule:
    match: Match
    serve: Serving


BOOLEAN_VARIANTS: Mapping[str, VariantValue] = MappingProxyType({"on": True, "off": False})


@dataclass(frozen=True, slots=True)
class Flag:
    key: str
    description: str
    owner: str
    enabled: bool = False
    type: ValueType = ValueType.BOOLEAN
    variants: Mapping[str, VariantValue] = field(default_factory=lambda: BOOLEAN_VARIANTS)
    off: str | None = "off"  # None: the answer carries no value, the caller's own default counts
    on: Serving = "on"
    audience: str | None = None  # of a flag without a rollout
    requires: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    rollout: Rollout | None = None
    salt: str = ""
    bucket_by: str = TARGETING_ATTRIBUTE
    locked: bool = False
    client: bool = True
    expires: date | None = None
    tags: tuple[str, ...] = ()

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The path to everybody who shall have it. Without a rollout it is one step, or none where rules say who."""
        if self.rollout:
            return self.rollout.stages
        if self.rules and self.audience is None:
            return ()
        audience = self.audience or EVERYONE
        return (Stage(audience, audience, EVERYBODY, by_segment=True),)
