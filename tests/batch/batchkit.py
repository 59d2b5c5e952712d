"""What the tests of whole populations share: people as columns of several kinds, and what
the core answers about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from rollout.batch.cohorts import Cohort
from rollout.batch.frames import Frame
from rollout.core.attributes import AttributeType
from rollout.core.evaluation import Evaluator

Context = Mapping[str, Any]
Told = tuple[bool, str | None]

NATIVE = {
    AttributeType.STRING: pa.string(),
    AttributeType.BOOLEAN: pa.bool_(),
    AttributeType.NUMBER: None,  # whole numbers or floats, as they come
    AttributeType.VERSION: pa.string(),
    AttributeType.DATETIME: pa.string(),
}


def as_text(value: Any) -> str | None:
    """As CSV has it."""
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def native(kind: AttributeType, values: Sequence[Any]) -> pa.Array:
    return pa.array(values, NATIVE[kind])


def textual(kind: AttributeType, values: Sequence[Any]) -> pa.Array:
    return pa.array(list(map(as_text, values)), pa.string())


def dictionary(kind: AttributeType, values: Sequence[Any]) -> pa.Array:
    return native(kind, values).dictionary_encode()


def large(kind: AttributeType, values: Sequence[Any]) -> pa.Array:
    array = native(kind, values)
    return array.cast(pa.large_string()) if pa.types.is_string(array.type) else array


def viewed(kind: AttributeType, values: Sequence[Any]) -> pa.Array:
    array = native(kind, values)
    return array.cast(pa.string_view()) if pa.types.is_string(array.type) else array


def stamped(kind: AttributeType, values: Sequence[Any]) -> pa.Array:
    """Dates and times as instants."""
    if kind is not AttributeType.DATETIME:
        return native(kind, values)
    return pa.array([None if value is None else _utc(value) for value in values], pa.timestamp("us", "UTC"))


def _utc(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def sliced(kind: AttributeType, values: Sequence[Any]) -> pa.Array:
    """A part of a longer array, as readers give them."""
    array = native(kind, values)
    return pa.concat_arrays([array, array, array])[len(array) : 2 * len(array)]


KINDS: tuple[Callable[[AttributeType, Sequence[Any]], pa.Array], ...] = (
    native, textual, dictionary, large, viewed, sliced, stamped,
)  # fmt: skip


def batch_of(
    people: Sequence[Context], kinds: Mapping[str, AttributeType], make: Callable[..., pa.Array] = native
) -> pa.RecordBatch:
    columns = {name: make(kind, [person.get(name) for person in people]) for name, kind in kinds.items()}
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def told_by_columns(cohort: Cohort, batch: pa.RecordBatch) -> list[Told]:
    served = cohort.served(Frame(batch, cohort.attributes))
    assert served.dtype == np.int16
    return [(bool(cohort.on[code]), cohort.variants[code]) for code in served]


def told_one_by_one(evaluator: Evaluator, flag: str, people: Sequence[Context]) -> list[Told]:
    answers = [evaluator.flags[flag](person) for person in people]
    return [(answer.on, answer.variant) for answer in answers]
