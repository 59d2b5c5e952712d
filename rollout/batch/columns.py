"""Columns of a population, read by the declared types of their attributes, as `core.context` reads a single context.
What is null is missing. What the service would refuse (a control character, a word for a number) is marked: whoever has
such a value does not have the flag.

Columns are looked at value by value: each distinct value of a dictionary, or of text that is not a string attribute,
is read once, by the core's own functions.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rollout.batch.buffers import ends_and_bytes
from rollout.core.attributes import Attribute, AttributeType, Value, read_value
from rollout.core.context import MAX_TEXT
from rollout.core.errors import InvalidInput

Mask: TypeAlias = npt.NDArray[np.bool_]
Codes: TypeAlias = npt.NDArray[np.integer[Any]]

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_FIRST_PRINTABLE, _DELETE, _BEYOND_ASCII = 0x20, 0x7F, 0x80


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One attribute of everybody. `values`: text (an Arrow array), numbers, booleans or seconds since 1970 (numpy
    arrays), or, where they were read one by one, a list of what `read_value` made of them."""

    name: str
    values: Any
    there: Mask | None  # of each value, whether it counts; None: all do
    refused: Mask | None  # of each value, whether the service would refuse it; None: none
    codes: Codes | None = None  # of each row, its value, len(values) where it is missing; None: a value for each row

    def rows(self, of_values: Mask) -> Mask:
        """What holds for values, for the rows that have them; false where the value is missing."""
        counted = of_values if self.there is None else of_values & self.there
        return self.spread(counted)

    def spread(self, of_values: Mask) -> Mask:
        if self.codes is None:
            return of_values
        padded: Mask = np.append(of_values, False)
        return padded[self.codes]

    def present(self) -> Mask:
        """The rows whose value counts."""
        return self.rows(np.ones(len(self.values), np.bool_))

    def refused_rows(self) -> Mask | None:
        return None if self.refused is None else self.spread(self.refused)


def read_column(attribute: Attribute, array: pa.Array) -> Column:
    """Raises InvalidInput for a column that cannot hold such an attribute at all."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        return _with_codes(attribute, array)
    if _is_text(array.type) and attribute.type is not AttributeType.STRING:
        return _with_codes(attribute, _plain_text(array).dictionary_encode())
    return _read_values(attribute, array)


def _with_codes(attribute: Attribute, array: pa.DictionaryArray) -> Column:
    column = _read_values(attribute, array.dictionary)
    codes = array.indices
    if codes.null_count:
        codes = pc.fill_null(codes.cast(pa.int64()), len(array.dictionary))
    return Column(attribute.name, column.values, column.there, column.refused, codes.to_numpy(zero_copy_only=False))


def _read_values(attribute: Attribute, array: pa.Array) -> Column:
    kind = array.type
    if pa.types.is_null(kind):
        return _nobodys(attribute, len(array))
    if _is_text(kind):
        text = _plain_text(array)
        return _strings(attribute, text) if attribute.type is AttributeType.STRING else _one_by_one(attribute, text)
    reader = _NATIVE.get(attribute.type)
    column = reader(attribute, array) if reader else None
    if column is None:
        raise InvalidInput(f"column {attribute.name} holds {kind}, and {attribute.name} is {_WANTED[attribute.type]}")
    return column


def _nobodys(attribute: Attribute, size: int) -> Column:
    nothing = np.zeros(size, np.bool_)
    if attribute.type is AttributeType.STRING:
        return Column(attribute.name, pa.nulls(size, pa.string()), nothing, None)
    return Column(attribute.name, [None] * size, nothing, None)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _plain_text(array: pa.Array) -> pa.Array:
    return array.cast(pa.large_string()) if pa.types.is_string_view(array.type) else array


def _strings(attribute: Attribute, text: pa.Array) -> Column:
    refused = refused_text(attribute.name, text)
    there = _valid(text)
    if refused is not None:
        there = ~refused if there is None else there & ~refused
    return Column(attribute.name, text, there, refused)


def refused_text(name: str, text: pa.Array) -> Mask | None:
    """Text with control characters, or more than the service takes; None where there is none, as nearly always. Raises
    InvalidInput where it is no text at all (UTF-8)."""
    ends, data = ends_and_bytes(text)
    content = data[ends[0] : ends[-1]]
    if not len(content):
        return None
    highest = content.max()
    if highest >= _BEYOND_ASCII:
        _check_utf8(name, text)
    suspect = content.min() < _FIRST_PRINTABLE or (highest >= _DELETE and bool((content == _DELETE).any()))
    if not suspect and np.diff(ends).max() <= MAX_TEXT:
        return None
    refused = [value is not None and not _takes(value) for value in text.to_pylist()]
    return np.array(refused, np.bool_) if any(refused) else None


def _takes(value: str) -> bool:
    return len(value) <= MAX_TEXT and _UNPRINTABLE.search(value) is None


def _check_utf8(name: str, text: pa.Array) -> None:
    try:
        text.validate(full=True)
    except pa.ArrowInvalid as error:
        raise InvalidInput(f"column {name} is not text in UTF-8: {error}", "write it as UTF-8") from None


def _one_by_one(attribute: Attribute, text: pa.Array) -> Column:
    _check_utf8(attribute.name, text)
    read = [None if value is None else _read_one(attribute, value) for value in text.to_pylist()]
    refused = np.array([value is _REFUSED for value in read], np.bool_)
    values = [None if value is _REFUSED else value for value in read]
    there = np.array([value is not None for value in values], np.bool_)
    return Column(attribute.name, values, there, refused if refused.any() else None)


_REFUSED = object()


def _read_one(attribute: Attribute, value: str) -> Value | object:
    if len(value) > MAX_TEXT:
        return _REFUSED
    try:
        return read_value(attribute, value)
    except InvalidInput:
        return _REFUSED


def _valid(array: pa.Array) -> Mask | None:
    if not array.null_count:
        return None
    mask: Mask = array.is_valid().to_numpy(zero_copy_only=False)
    return mask


def _whole_as_text(attribute: Attribute, array: pa.Array) -> Column | None:
    """Ids are often kept as whole numbers, and sent as text."""
    return _strings(attribute, array.cast(pa.string())) if pa.types.is_integer(array.type) else None


def _booleans(attribute: Attribute, array: pa.Array) -> Column | None:
    if not pa.types.is_boolean(array.type):
        return None
    values = array.fill_null(False).to_numpy(zero_copy_only=False)
    return Column(attribute.name, values, _valid(array), None)


def _numbers(attribute: Attribute, array: pa.Array) -> Column | None:
    there = _valid(array)
    if pa.types.is_integer(array.type):
        unsigned = pa.types.is_uint64(array.type)
        values = array.cast(pa.uint64() if unsigned else pa.int64()).fill_null(0).to_numpy()
        return Column(attribute.name, values, there, None)
    if not pa.types.is_floating(array.type) and not pa.types.is_decimal(array.type):
        return None
    values = array.cast(pa.float64(), safe=False).fill_null(0).to_numpy()
    finite = np.isfinite(values)  # the service takes neither infinities nor what is not a number
    if finite.all():
        return Column(attribute.name, values, there, None)
    return Column(attribute.name, values, finite if there is None else there & finite, ~finite)


def _instants(attribute: Attribute, array: pa.Array) -> Column | None:
    """As `core.attributes.instant`: seconds since 1970, to the microsecond; UTC where no zone is named."""
    if not pa.types.is_timestamp(array.type) and not pa.types.is_date(array.type):
        return None
    micro = array.cast(pa.timestamp("us", getattr(array.type, "tz", None)), safe=False)
    values = micro.cast(pa.int64()).fill_null(0).to_numpy() / 1_000_000
    return Column(attribute.name, values, _valid(array), None)


_NATIVE: dict[AttributeType, Callable[[Attribute, pa.Array], Column | None]] = {
    AttributeType.STRING: _whole_as_text,
    AttributeType.BOOLEAN: _booleans,
    AttributeType.NUMBER: _numbers,
    AttributeType.DATETIME: _instants,
}

_WANTED = {
    AttributeType.STRING: "text: write strings, or whole numbers",
    AttributeType.BOOLEAN: "true or false: write booleans, or the words",
    AttributeType.NUMBER: "a number: write integers, floats, or digits",
    AttributeType.VERSION: "a version: write text, since as a number 8.10 would be 8.1",
    AttributeType.DATETIME: "a date or time: write timestamps, dates, or ISO 8601",
}
