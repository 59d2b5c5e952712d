"""Whether everybody for whom one condition holds is certainly among those for whom another does, each by the
definitions of its own state. Told from how they are written: where that does not show it, the answer is no, which for
the question that it is asked for (does this change only lower?) is the safe side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from rollout.core.attributes import Attribute, AttributeType
from rollout.core.definitions import Definitions
from rollout.core.flags import TARGETING_ATTRIBUTE
from rollout.core.segments import (
    EVERYONE,
    AttributeCondition,
    Condition,
    Match,
    NoneOf,
    OneOf,
    Segment,
    SegmentCondition,
    Test,
)

Listed: TypeAlias = Callable[[str, str], bool]
"""Whether every key of the member list with the first digest is in that with the second."""

_TARGETING = Attribute(TARGETING_ATTRIBUTE, AttributeType.STRING)  # declared or not


def only_the_same(digest: str, other: str) -> bool:
    """What can be said of member lists without looking into them."""
    return digest == other


class Containment:
    """Of what `inner` defines in what `outer` defines; `reversed` asks the other way round."""

    def __init__(self, inner: Definitions, outer: Definitions, listed: Listed = only_the_same) -> None:
        self.inner = inner
        self.outer = outer
        self._listed = listed
        self._known: dict[tuple[str, str], bool] = {}
        self._reversed: Containment | None = None
        # of what flags rest upon; flags themselves and approvals are compared elsewhere
        self.same = all(
            getattr(inner, part) == getattr(outer, part) for part in ("attributes", "segments", "guards", "windows")
        )

    @property
    def reversed(self) -> Containment:
        if self._reversed is None:
            self._reversed = Containment(self.outer, self.inner, self._listed)
            self._reversed._reversed = self
        return self._reversed

    def segment(self, name: str, other: str) -> bool:
        """Of an audience in another; EVERYONE among them."""
        if EVERYONE in (name, other):
            return other == EVERYONE
        if self.same and name == other and name in self.inner.segments:
            return True
        if (name, other) not in self._known:
            self._known[name, other] = False  # while it is looked at: a circle proves nothing
            one, another = self.inner.segments.get(name), self.outer.segments.get(other)
            self._known[name, other] = one is not None and another is not None and self._segment(one, another)
        return self._known[name, other]

    def match(self, match: Match, other: Match) -> bool:
        """Each condition of the other follows from one of the first."""
        return all(any(self._condition(one, wanted) for one in match.conditions) for wanted in other.conditions)

    def attribute(self, name: str) -> bool:
        """It is read in the same way on both sides; which values conditions may name changes nobody's."""
        one, other = _declared(self.inner, name), _declared(self.outer, name)
        if one is None or other is None:
            return one is other
        return replace(one, values=()) == replace(other, values=())

    def _segment(self, segment: Segment, other: Segment) -> bool:
        if segment.members or other.members:
            one, another = segment.members, other.members
            same_key = self.attribute(TARGETING_ATTRIBUTE)
            return bool(one and another and same_key and self._listed(one.digest, another.digest))
        return all(any(self.match(match, wanted) for wanted in other.matches) for match in segment.matches)

    def _condition(self, condition: Condition, other: Condition) -> bool:
        if isinstance(condition, AttributeCondition) and isinstance(other, AttributeCondition):
            return (
                condition.attribute == other.attribute
                and self.attribute(condition.attribute)
                and all(any(_test(one, wanted) for one in condition.tests) for wanted in other.tests)
            )
        if isinstance(condition, SegmentCondition) and isinstance(other, SegmentCondition):
            return condition.negated == other.negated and self._segments(condition, other)
        return False

    def _segments(self, condition: SegmentCondition, other: SegmentCondition) -> bool:
        """Whoever is in none of some segments is in none of fewer or narrower ones."""
        if condition.negated:
            return all(any(self.reversed.segment(n, name) for name in condition.segments) for n in other.segments)
        return all(any(self.segment(name, wanted) for wanted in other.segments) for name in condition.segments)


def _declared(definitions: Definitions, name: str) -> Attribute | None:
    return definitions.attributes.get(name) or (_TARGETING if name == TARGETING_ATTRIBUTE else None)


def _test(test: Test, other: Test) -> bool:
    """Whatever passes the first passes the other. Of 1 and True, which are equal to Python, types are compared too."""
    if isinstance(test, OneOf) and isinstance(other, OneOf):
        return _typed(test.values) <= _typed(other.values)
    if isinstance(test, NoneOf) and isinstance(other, NoneOf):
        return _typed(test.values) >= _typed(other.values)
    return repr(test) == repr(other)


def _typed(values: tuple[object, ...]) -> frozenset[tuple[type, object]]:
    return frozenset((type(value), value) for value in values)
