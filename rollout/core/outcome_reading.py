"""Reads outcomes as back ends report them, one item of a batch at a time: an item is refused with what would be right,
or taken, perhaps with a caution. What an item says besides its id is worked out once for all items that say the same,
since thousands come each second.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from rollout.core.attributes import Attribute, AttributeType, read_value
from rollout.core.definitions import Definitions
from rollout.core.errors import InvalidInput, UnknownFlag
from rollout.core.flags import FLAG_KEY, Flag
from rollout.core.guards import Guard
from rollout.core.outcome_cautions import (
    Caution,
    class_of_success,
    shown,
    uncounted,
    undeclared_value,
    unused,
    unwatched,
)
from rollout.core.outcome_times import check_time
from rollout.core.outcomes import (
    OTHERS,
    SUCCESS,
    UNNAMED_FAILURE,
    Outcome,
    Side,
    fingerprint,
    group_name,
)
from rollout.core.progress import FlagRecord

MAX_ID = 200  # characters
MAX_GROUPS = 20
MAX_GROUP_VALUE = 100  # characters
MAX_KINDS = 4096  # that are remembered
MAX_STRANGE = 50  # metrics and classes of a flag that its guards do not name: more are counted together

MEMBERS = ("flag", "metric", "ok", "class", "by", "id", "user_id", "at", "on", "drill")

_KNOWN = frozenset(MEMBERS)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")

_Said: TypeAlias = tuple[str, str, bool, str | None, bool | None, bool | None, tuple[tuple[str, str], ...]]
"""flag, metric, ok, class, on, drill, by"""


@dataclass(frozen=True, slots=True)
class Kind:
    """All that is the same for outcomes that differ in their ids alone."""

    flag: str
    metric: str
    fields: tuple[str, ...]
    cautions: tuple[Caution, ...] = ()


class OutcomeReader:
    """Reads by the definitions of one revision."""

    def __init__(self, definitions: Definitions, records: Mapping[str, FlagRecord]) -> None:
        self._definitions = definitions
        self._records = records
        self._kinds: dict[_Said, Kind] = {}
        self._strange: dict[str, set[tuple[str, str]]] = {}  # flag -> metric and class

    def read(self, item: object, now: datetime) -> tuple[Kind, int]:
        """What kind of outcome it is, and the fingerprint of its intent. Raises InvalidInput (also as TooLate
        or FromTheFuture), UnknownFlag."""
        if not isinstance(item, dict):
            raise InvalidInput(
                "this is not an object", 'send {"flag": "payments", "metric": "upi", "ok": true, "id": "…"}'
            )
        if not item.keys() <= _KNOWN:
            raise _unknown_member(item)
        at = item.get("at")
        if at is not None:
            check_time(at, now)
        said = _said(item)
        kind = self._kinds.get(said) or self._learn(said)
        user_id = item.get("user_id")
        if user_id is not None:
            _check_user_id(user_id)
        return kind, fingerprint(kind.flag, kind.metric, _intent(item.get("id")))

    def _learn(self, said: _Said) -> Kind:
        if len(self._kinds) >= MAX_KINDS:
            self._kinds.clear()
        kind = self._kinds[said] = self._kind(said)
        return kind

    def _kind(self, said: _Said) -> Kind:
        key, metric, ok, failure, on, drill, by = said
        record = self._records.get(key)
        if record is None:
            raise _unknown_flag(key)
        _check_name("metric", metric)
        guards = self._watching(record.flag, metric)
        failure, cautions = _failure(ok, failure, metric, guards)
        groups, more = self._groups(by, metric, guards)
        counted_metric, in_total, in_groups = self._names(key, metric, failure, guards)
        outcome = Outcome(key, counted_metric, _side(on, drill), in_total, in_groups, groups)
        first = [] if guards else [unwatched(key, metric)]
        return Kind(key, metric, outcome.fields, (*first, *cautions, *more))

    def _names(self, key: str, metric: str, failure: str, guards: list[Guard]) -> tuple[str, str, str]:
        """Under which metric, class in the total and class in groups it is counted."""
        listed = failure in (SUCCESS, UNNAMED_FAILURE) or any(failure in guard.counts for guard in guards)
        if guards and listed:
            return metric, failure, failure
        others = OTHERS if failure else SUCCESS
        if self._has_a_place(key, metric, failure):
            return metric, failure, others
        return metric if guards else OTHERS, others, others

    def _has_a_place(self, key: str, metric: str, failure: str) -> bool:
        """Of its own, though the file does not name it. Whoever makes up names must not fill the store, or crowd out
        what guards judge."""
        strange = self._strange.setdefault(key, set())
        if len(strange) < MAX_STRANGE:
            strange.add((metric, failure))
        return (metric, failure) in strange

    def _watching(self, flag: Flag, metric: str) -> list[Guard]:
        """The flag's guards, of whatever stage, that judge this metric from what is reported here."""
        rollout = flag.rollout
        if rollout is None:
            return []
        names = dict.fromkeys((*rollout.guards, *(name for stage in rollout.stages for name in stage.guards)))
        guards = (self._definitions.guards.get(name) for name in names)
        return [guard for guard in guards if guard and guard.metric == metric and guard.prometheus is None]

    def _groups(
        self, by: tuple[tuple[str, str], ...], metric: str, guards: list[Guard]
    ) -> tuple[tuple[str, ...], list[Caution]]:
        used = {guard.by for guard in guards}
        groups: list[str] = []
        cautions: list[Caution] = []
        for name, value in by:
            attribute = self._attribute(name)
            text = _group_value(attribute, value)
            if name not in used:
                cautions.extend([unused(name, metric)] if guards else [])
            elif attribute.values and text not in attribute.values:
                cautions.append(undeclared_value(attribute, text))
            else:
                groups.append(group_name(name, text))
        return tuple(groups), cautions

    def _attribute(self, name: str) -> Attribute:
        attribute = self._definitions.attributes.get(name)
        if attribute is None:
            declared = tuple(self._definitions.attributes)
            hint = f"declared are {', '.join(declared[:10])}" if declared else "the flags file declares none"
            raise InvalidInput(f"by: no attribute called {shown(name)}", hint)
        return attribute


def _said(item: Mapping[str, object]) -> _Said:
    """What makes its kind, with all types as they shall be."""
    given = item.get
    flag, metric, ok, failure = given("flag"), given("metric"), given("ok"), given("class")
    on, drill, by = given("on"), given("drill"), given("by")
    if not isinstance(flag, str):
        raise _wrong("flag", flag, "the key of a flag, such as payments")
    if not isinstance(metric, str):
        raise _wrong("metric", metric, "what a guard's 'metric' says, such as upi-transfer")
    if ok is not True and ok is not False:
        raise _wrong("ok", ok, "true or false")
    if failure is not None and not isinstance(failure, str):
        raise _wrong("class", failure, "the class of failure as a text, such as technical")
    if on is not None and on is not True and on is not False:
        raise _wrong("on", on, "true for somebody who has the flag, false for somebody who has not")
    if drill is not None and drill is not True and drill is not False:
        raise _wrong("drill", drill, "true or false")
    return flag, metric, ok, failure, on, drill, () if by is None else _pairs(by)


def _pairs(by: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(by, dict):
        raise _wrong("by", by, 'attributes with their values, such as {"bank": "SBI"}')
    if len(by) > MAX_GROUPS:
        raise InvalidInput(f"by: {len(by)} attributes are too many", f"send at most {MAX_GROUPS}")
    return tuple(
        (name, value if isinstance(value, str) else _text(name, value))
        for name, value in by.items()
        if value is not None
    )


def _text(name: str, value: Any) -> str:
    """A value as its attribute's reader takes it. True and 1, which are equal, become different texts."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) or (isinstance(value, int) and value.bit_length() < 128):
        return str(value)
    raise InvalidInput(f"by: {shown(name)} has a value that is none", "send a text, a number, true or false")


def _group_value(attribute: Attribute, value: str) -> str:
    if len(value) > MAX_GROUP_VALUE:
        raise InvalidInput(f"by: {attribute.name} is {len(value)} characters long", f"send at most {MAX_GROUP_VALUE}")
    try:
        read = read_value(attribute, value)
    except InvalidInput as error:
        raise InvalidInput(f"by: {error.message}", error.hint) from None
    return _text(attribute.name, read) if attribute.type is AttributeType.BOOLEAN else value


def _intent(intent: object) -> str:
    if not isinstance(intent, str) or not intent:
        raise _wrong("id", intent, "what names the payment intent, and is the same when it is tried again")
    if len(intent) > MAX_ID:
        raise InvalidInput(f"id: {len(intent)} characters are too many", f"send at most {MAX_ID}")
    return intent


def _check_user_id(user_id: object) -> None:
    if not isinstance(user_id, str):
        raise _wrong("user_id", user_id, "a text")
    if len(user_id) > MAX_ID:
        raise InvalidInput(f"user_id: {len(user_id)} characters are too many", f"send at most {MAX_ID}")


def _failure(ok: bool, failure: str | None, metric: str, guards: list[Guard]) -> tuple[str, list[Caution]]:
    """Its class, and what is odd about that."""
    if failure:
        _check_name("class", failure)
    if ok:
        return SUCCESS, [class_of_success(failure)] if failure else []
    failure = failure or UNNAMED_FAILURE
    return failure, uncounted(failure, metric, guards)


def _side(on: bool | None, drill: bool | None) -> Side:
    if drill:
        return Side.DRILL
    return Side.CONTROL if on is False else Side.ON


def _check_name(member: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"{member}: {shown(name)} is not a name", "use up to 63 letters, digits, - and _")


def _unknown_flag(key: str) -> UnknownFlag:
    if FLAG_KEY.fullmatch(key):
        return UnknownFlag(f"no flag called {key!r}", "`rollout status` lists them")
    return UnknownFlag("no flag has this name", "keys are lower-case letters, digits and hyphens")


def _unknown_member(item: Iterable[object]) -> InvalidInput:
    unknown = next(name for name in item if name not in _KNOWN)
    return InvalidInput(f"{shown(unknown)} is not known here", f"known are {', '.join(MEMBERS)}")


def _wrong(member: str, value: object, right: str) -> InvalidInput:
    if value is None:
        return InvalidInput(f"{member} is missing", f"send {right}")
    return InvalidInput(f"{member}: {shown(value)} cannot be", f"send {right}")
