"""The names that a file declares, so that one part can speak of another wherever the two stand. A name counts as
declared also where its own definition has a problem: one slip is one problem.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rollout.core.attributes import Attribute
from rollout.core.errors import InvalidInput
from rollout.core.segments import EVERYONE
from rollout.core.windows import Window
from rollout.yaml_files.nodes import Node, shown
from rollout.yaml_files.notes import Notes
from rollout.yaml_files.scalars import scalar

if TYPE_CHECKING:
    from rollout.yaml_files.stages import NamedPlan


@dataclass(frozen=True, slots=True)
class Scope:
    notes: Notes
    attributes: Mapping[str, Attribute | None] = field(default_factory=dict)  # None: its declaration has a problem
    segments: Collection[str] = ()
    guards: Collection[str] = ()
    flags: Collection[str] = ()
    windows: Mapping[str, Window | None] = field(default_factory=dict)  # None: its definition has a problem
    plans: Mapping[str, NamedPlan] = field(default_factory=dict)

    def segment(self, node: Node) -> str:
        """A segment that conditions may ask for."""
        if scalar(node).text == EVERYONE:
            said = f"'{EVERYONE}' is an audience, not a segment"
            raise InvalidInput(said, "take it out: a condition that always holds says nothing")
        return self._known(node, "segment", self.segments)

    def audience(self, node: Node) -> str:
        word = scalar(node).text
        if word == EVERYONE or word in self.segments:
            return word
        raise self._unknown(word, "segment", (*self.segments, EVERYONE))

    def guard(self, node: Node) -> str:
        return self._known(node, "guard", self.guards)

    def window(self, node: Node) -> str:
        return self._known(node, "window", self.windows)

    def flag(self, node: Node) -> str:
        return self._known(node, "flag", self.flags)

    def plan(self, node: Node) -> NamedPlan:
        return self.plans[self._known(node, "plan", self.plans)]

    def attribute(self, node: Node) -> str:
        return self._known(node, "attribute", self.attributes)

    def _known(self, node: Node, kind: str, names: Collection[str]) -> str:
        word = scalar(node).text
        if word not in names:
            raise self._unknown(word, kind, names)
        return word

    def _unknown(self, word: str, kind: str, names: Collection[str]) -> InvalidInput:
        hint = self.notes.suggest(word, names) or f"declare it under '{kind}s:'"
        return InvalidInput(f"no {kind} called '{shown(word)}'", hint)
