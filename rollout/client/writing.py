"""A flag as one function, written as Python source, for flags that are asked often: the conditions of its segments
stand in it, and it calls nothing but the hash. The source says what shape a flag has and no more; names, texts,
thresholds and answers are bound to it as values. So flags of one shape share one piece of code, and nothing that stands
in a flags file is ever run. Its answers are the very ones that `core/evaluation` gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

from rollout.client.editions import Edition
from rollout.client.reading import IS_RIGHT, Reader, is_number
from rollout.core.admitting import Admitting
from rollout.core.attributes import AttributeType
from rollout.core.bucketing import hash32
from rollout.core.conditions import broken_segment, compile_condition
from rollout.core.context import MAX_TEXT
from rollout.core.evaluation import Answer, Evaluate
from rollout.core.flags import TARGETING_ATTRIBUTE
from rollout.core.segments import (
    EVERYONE,
    AttributeCondition,
    Compare,
    Condition,
    Contains,
    EndsWith,
    Match,
    NoneOf,
    OneOf,
    SegmentCondition,
    StartsWith,
    Test,
)
from rollout.core.shares import HASHES

Look: TypeAlias = Callable[[Mapping[str, Any]], Answer | None]
"""The answer for attributes as a program passed them, where they are right as they stand; None, or an exception, where
somebody must look closer. Some of those who are not admitted are told so although a text of theirs is too long or not
printable: of them it makes no difference."""

MOST_CONDITIONS = 40
"""Written out for one flag; the segments beyond are asked as functions."""

MOST_SHAPES = 512
TEXTS_ARE_RIGHT = "TEXTS_ARE_RIGHT"
SIGNS = {">=": ">=", ">": ">", "<=": "<=", "<": "<"}


class CannotBeWritten(Exception):
    """The flag is asked as it was compiled."""


def written(flag: Admitting, edition: Edition, reader: Reader) -> Look:
    """Raises CannotBeWritten, or whatever else goes wrong with a flag of the wrong making."""
    source = _Source(edition, reader)
    nobody, control = source.bind(flag.nobody), source.bind(flag.control)
    admissions = [line for one in flag.admissions for line in _admission(source, one, control, flag)]
    if not admissions:  # whatever they come with, nobody is admitted
        return _bound(source, [f"return {nobody}"])
    told = f"return off if off is not {control} or looked or {TEXTS_ARE_RIGHT} else None"  # who is compared, is counted
    return _bound(source, [*source.looking(), f"off = {nobody}", *admissions, told])


def as_compiled(flag: Evaluate, edition: Edition, reader: Reader) -> Look:
    """Only the looking is written out."""
    source = _Source(edition, reader)
    return _bound(source, [*source.looking(), f"return {source.bind(flag)}(context)"])


def _bound(source: _Source, lines: list[str]) -> Look:
    text = "\n        ".join([f"def bind({', '.join(source.bound)}):\n    def look(context):", *lines])
    text = text.replace(TEXTS_ARE_RIGHT, f"({source.texts_are_right()})")  # known when all is written
    return _shape(text + "\n    return look\n")(*source.bound.values())


@lru_cache(maxsize=MOST_SHAPES)
def _shape(text: str) -> Callable[..., Look]:
    """`text` is made of the words in this file and of numbered names."""
    made: dict[str, Any] = {}
    exec(compile(text, "<a flag, written out>", "exec"), made)
    bind: Callable[..., Look] = made["bind"]
    return bind


def _admission(source: _Source, admission: tuple[str, int, Answer], control: str, flag: Admitting) -> list[str]:
    """`control`: the name of that answer."""
    audience, threshold, served = admission
    within = "True" if audience == EVERYONE else source.segment(audience)
    serve = f"return {source.bind(served)} if looked or {TEXTS_ARE_RIGHT} else None"
    if threshold == HASHES:
        return [f"if {within}: {serve}"]
    place = f"{source.bind(hash32)}({source.bind(f'{flag.salt}:')} + {source.targeting_key(flag.bucket_by)}, 0, False)"
    return [
        f"if {within}:",
        f"    place = {place}",
        f"    if place < {source.bind(threshold)}: {serve}",
        f"    off = {source.bind(flag.outside)} if place >= {source.bind(flag.edge)} else {control}",
    ]


class _Source:
    """Expressions, and the values that are bound to their names."""

    def __init__(self, edition: Edition, reader: Reader) -> None:
        self.bound: dict[str, object] = {}
        self._ruleset = edition.evaluator.ruleset
        self._predicates = edition.evaluator.segments
        self._members = edition.members
        self._reader = reader
        self._values: dict[str, str] = {}  # attribute -> the variable that holds what somebody has
        self._keys: list[str] = []
        self._left = MOST_CONDITIONS

    def bind(self, value: object) -> str:
        name = f"c{len(self.bound)}"
        self.bound[name] = value
        return name

    def looking(self) -> Iterator[str]:
        """The first lines: each value, or None where there is none, and whether everything is right. Where all that the
        flag asks for is there and nothing else, types are enough; of texts the rest is `texts_are_right`."""
        for name, value in self._values.items():
            yield f"{value} = context.get({self.bind(name)})"
        types = [self._is_right(name, value) for name, value in self._values.items()]
        yield f"if {' and '.join([f'len(context) == {len(types)}', *types])}: looked = False"
        yield "else:"
        yield from (f"    {line}" for line in self._looking_at_each())
        for key in self._keys:
            yield f"if not {key}: return None"

    def _looking_at_each(self) -> Iterator[str]:
        """`Reader.are_right`, without the cost of calling it."""
        texts, known, kinds = map(self.bind, (self._reader.texts, self._reader.known, self._reader.kinds))
        yield "for name, value in context.items():"
        yield "    if type(value) is str:"
        yield f"        if name in {texts}:"
        yield f"            if value.isprintable() and len(value) <= {MAX_TEXT}: continue"
        yield f"        elif value in {known}[name]: continue"
        yield f"    elif {self.bind(IS_RIGHT)}[{kinds}[name]](value): continue"
        yield "    return None"
        yield "looked = True"

    def texts_are_right(self) -> str:
        texts = [value for name, value in self._values.items() if name in self._reader.texts]
        return " and ".join([f"{text}.isprintable() and len({text}) <= {MAX_TEXT}" for text in texts]) or "True"

    def targeting_key(self, name: str) -> str:
        if self._reader.kinds.get(name) is not AttributeType.STRING:
            raise CannotBeWritten
        value = self._value(name)
        if value not in self._keys:
            self._keys.append(value)  # nobody is admitted without one, nor by an empty one
        return value

    def segment(self, name: str) -> str:
        segment, predicate = self._ruleset.segments[name], self._predicates[name]
        if predicate is broken_segment or self._left <= 0:
            return f"{self.bind(predicate)}(context)"
        if segment.members:
            listed = self._members.get(segment.members.digest, frozenset())
            return f"{self._value(TARGETING_ATTRIBUTE)} in {self.bind(listed)}"
        return " or ".join([f"({self._match(match)})" for match in segment.matches]) or "False"

    def _match(self, match: Match) -> str:
        return " and ".join([f"({self._condition(condition)})" for condition in match.conditions]) or "True"

    def _condition(self, condition: Condition) -> str:
        self._left -= 1
        if isinstance(condition, SegmentCondition):
            inside = " or ".join([f"({self.segment(name)})" for name in condition.segments]) or "False"
            return f"not ({inside})" if condition.negated else inside
        return self._attribute(condition)

    def _attribute(self, condition: AttributeCondition) -> str:
        value = self._value(condition.attribute)
        if self._reader.kinds[condition.attribute] in (AttributeType.VERSION, AttributeType.DATETIME):
            holds = compile_condition(condition, self._ruleset.attributes, self._predicates)
            return f"{self.bind(holds)}(context)"
        return " and ".join([f"({self._test(value, test)})" for test in condition.tests]) or "True"

    def _test(self, value: str, test: Test) -> str:
        match test:
            case OneOf((str() as only,)):
                return f"{value} == {self.bind(only)}"
            case OneOf(values):
                return f"{value} in {self.bind(frozenset(values))}"
            case NoneOf(values):
                return f"{value} is not None and {value} not in {self.bind(frozenset(values))}"
            case StartsWith(texts):
                return f"{value} is not None and {value}.startswith({self.bind(texts)})"
            case EndsWith(texts):
                return f"{value} is not None and {value}.endswith({self.bind(texts)})"
            case Contains(texts):
                contained = " or ".join([f"{self.bind(text)} in {value}" for text in texts]) or "False"
                return f"{value} is not None and ({contained})"
            case Compare(bounds):
                compared = [f"{value} {SIGNS[sign]} {self.bind(bound)}" for sign, bound in bounds]
                return " and ".join([f"{value} is not None", *compared])

    def _value(self, name: str) -> str:
        if name not in self._reader.kinds:
            raise CannotBeWritten
        return self._values.setdefault(name, f"v{len(self._values)}")

    def _is_right(self, name: str, value: str) -> str:
        match self._reader.kinds[name]:
            case AttributeType.STRING:
                return f"type({value}) is str"
            case AttributeType.BOOLEAN:
                return f"type({value}) is bool"
            case AttributeType.NUMBER:
                return f"{self.bind(is_number)}({value})"
        return f"type({value}) is str and {value} in {self.bind(self._reader.known[name])}"
