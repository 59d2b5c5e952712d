"""Attributes: what the app declares that it sends with a check, and how a value of each type is read. A value keeps the
shape in which it came (text for versions and datetimes); what conditions compare by is made from it here, in one place
for the server and for clients.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import TypeAlias

from rollout.core.errors import InvalidInput
from rollout.core.versions import version_key

Value: TypeAlias = str | bool | int | float
"""An attribute's value in an evaluation context."""


class AttributeType(StrEnum):
    STRING = "string"
    BOOLEAN = "boolean"
    NUMBER = "number"
    VERSION = "version"
    DATETIME = "datetime"


ORDERED = frozenset({AttributeType.NUMBER, AttributeType.VERSION, AttributeType.DATETIME})
"""The types that conditions may compare with < and >."""


@dataclass(frozen=True, slots=True)
class Attribute:
    name: str
    type: AttributeType
    values: tuple[str, ...] = ()  # what conditions may name; () for anything
    trusted: bool = False  # what a person's own app says of it does not count


def read_value(attribute: Attribute, value: object) -> Value:
    """A value as it came over HTTP or from a program, as its declared type says. Raises InvalidInput otherwise.

    Text is read as the type that was declared ("true", "12"); a value outside `values` is fine, it matches nothing.
    """
    try:
        return _READERS[attribute.type](value)
    except InvalidInput as error:
        raise InvalidInput(f"{attribute.name}: {error.message}", error.hint) from None


def comparison_key(kind: AttributeType, value: Value) -> object:
    """What two values of this type are compared by. `value` went through `read_value` before."""
    if kind is AttributeType.VERSION:
        return version_key(str(value))
    if kind is AttributeType.DATETIME:
        return instant(str(value))
    return value


@lru_cache(maxsize=4096)
def instant(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 date or time; UTC where it names no zone. Raises InvalidInput."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{text!r} is not a date or time", "write 2024-01-31 or 2024-01-31T18:00:00+05:30") from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{_shown(value)} is not text", "send a string")
    if _UNPRINTABLE.search(value):
        raise InvalidInput("there is a control character in it", "send printable text")
    return value


def _boolean(value: object) -> bool:
    if value is True or value == "true":
        return True
    if value is False or value == "false":
        return False
    raise InvalidInput(f"{_shown(value)} is not a boolean", "send true or false")


_NUMBER = re.compile(r"[+-]?\d{1,30}(\.\d{1,30})?([eE][+-]?\d{1,3})?")


def _number(value: object) -> int | float:
    if isinstance(value, str) and _NUMBER.fullmatch(value) and value.isascii():
        value = int(value) if value.lstrip("+-").isdigit() else float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not _within_double(value):
        raise InvalidInput(f"{_shown(value)} is not a number", "send digits, such as 12 or 0.5")
    return value


def _within_double(value: float) -> bool:
    return abs(value) <= sys.float_info.max  # false for NaN and infinities, and for whole numbers beyond them


def _version(value: object) -> str:
    text = _string(value)
    version_key(text)
    return text


def _datetime(value: object) -> str:
    text = _string(value)
    instant(text)
    return text


def _shown(value: object) -> str:
    if isinstance(value, list | tuple | Mapping):  # may be too deep to show
        return "an object" if isinstance(value, Mapping) else "a list"
    if isinstance(value, int) and value.bit_length() > 1000:
        return "a number of so many digits"
    return ascii(value) if len(ascii(value)) <= 60 else ascii(value)[:57] + "..."


_READERS: dict[AttributeType, Callable[[object], Value]] = {
    AttributeType.STRING: _string,
    AttributeType.BOOLEAN: _boolean,
    AttributeType.NUMBER: _number,
    AttributeType.VERSION: _version,
    AttributeType.DATETIME: _datetime,
}
