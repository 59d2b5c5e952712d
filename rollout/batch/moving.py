"""Who gains and who loses when a rollout moves, counted exactly over a whole population, also by what people have in
common (a country, a bank).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rollout.batch.cohorts import Cohort
from rollout.batch.columns import Mask
from rollout.batch.frames import Frame
from rollout.core.errors import InvalidInput

MOST_VALUES = 10_000
"""Different values of one column that are told apart; ids are not what to count by."""

Counts: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Moved:
    """Numbers of people. Those who have it afterwards are `before + gain - lose`."""

    people: int = 0
    before: int = 0
    gain: int = 0
    lose: int = 0

    @property
    def after(self) -> int:
        return self.before + self.gain - self.lose


@dataclass(slots=True)
class Movement:
    """Counts as far as they go. `by`: column -> its value (None where it is missing) -> the people who have that."""

    everyone: Moved = Moved()
    by: dict[str, dict[object, Moved]] = field(default_factory=dict)


def count_moves(
    batches: Iterable[pa.RecordBatch], before: Cohort, after: Cohort, by: Sequence[str] = ()
) -> Iterator[Movement]:
    """The same Movement again and again, a batch further each time, for whoever shows how far it is. Raises
    InvalidInput for a column in `by` that is not there or has more than MOST_VALUES values."""
    columns = tuple(dict.fromkeys([*before.columns, *after.columns]))
    before, after = (replace(cohort, columns=columns) for cohort in (before, after))
    movement = Movement(by={name: {} for name in by})
    for batch in batches:
        frame = Frame(batch, after.attributes)
        had, has = before.has(frame), after.has(frame)
        movement.everyone = _added(movement.everyone, [len(had), had.sum(), (has & ~had).sum(), (had & ~has).sum()])
        for name in by:
            _count_by(name, batch, had, has, movement.by[name])
        yield movement


def _added(moved: Moved, more: Iterable[int | np.integer]) -> Moved:
    people, before, gain, lose = map(int, more)
    return Moved(moved.people + people, moved.before + before, moved.gain + gain, moved.lose + lose)


def _count_by(name: str, batch: pa.RecordBatch, had: Mask, has: Mask, into: dict[object, Moved]) -> None:
    codes, values = _coded(name, batch)
    counts = [_counted(codes, who, len(values)) for who in (None, had, has & ~had, had & ~has)]
    for value, *numbers in zip(values, *counts, strict=True):
        if numbers[0]:
            into[value] = _added(into.get(value, Moved()), numbers)
    if len(into) > MOST_VALUES:
        raise InvalidInput(f"{name} has more than {MOST_VALUES:,} values", "count by what many people have in common")


def _coded(name: str, batch: pa.RecordBatch) -> tuple[npt.NDArray[np.int64], list[object]]:
    """Of each row the number of its value, and the values; the last one stands for none."""
    place = batch.schema.get_field_index(name)
    if place < 0:
        raise InvalidInput(f"there is no column {name} to count by", f"there are {', '.join(batch.schema.names)}")
    array = batch.column(place)
    array = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    values: list[object] = [*array.dictionary.to_pylist(), None]
    codes = pc.fill_null(array.indices.cast(pa.int64()), len(values) - 1)
    return codes.to_numpy(), values


def _counted(codes: npt.NDArray[np.int64], who: Mask | None, size: int) -> Counts:
    counts: Counts = np.bincount(codes if who is None else codes[who], minlength=size)
    return counts
