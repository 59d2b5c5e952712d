"""The cohort as a stream: batches of people in, batches of answers out, as many rows at a time as came. The same
function serves a file on this machine and Spark's `mapInArrow`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from rollout.batch.cohorts import Cohort
from rollout.batch.columns import Mask
from rollout.batch.frames import Frame
from rollout.core.errors import InvalidInput

ANSWERS = pa.schema([("id", pa.string()), ("on", pa.bool_()), ("variant", pa.string())])
"""Of everybody: the targeting key, whether the flag is on, and the variant; null: the caller has its own default."""

CODED = pa.schema([("id", pa.string()), ("on", pa.bool_()), ("variant", pa.dictionary(pa.int16(), pa.string()))])

IDS = pa.schema([("id", pa.string())])
"""Of those who have it, where nobody else is asked for."""


@dataclass(slots=True)
class Tally:
    """How many people there were, how many of them have the flag, and how many the service would refuse to answer for,
    since a value of theirs is not what its attribute is declared to be."""

    people: int = 0
    on: int = 0
    refused: int = 0
    refused_row: int | None = None  # the first, counted from 1

    def count(self, batches: Iterable[pa.RecordBatch], cohort: Cohort) -> None:
        """Only counts: nobody wants to see who they are."""
        for batch in batches:
            frame = Frame(batch, cohort.attributes)
            self.add(cohort.has(frame), frame.refused(cohort.columns))

    def add(self, on: Mask, refused: Mask) -> None:
        if self.refused_row is None and refused.any():
            self.refused_row = self.people + int(np.argmax(refused)) + 1
        self.people += len(on)
        self.on += int(np.count_nonzero(on))
        self.refused += int(np.count_nonzero(refused))


def cohort_batches(
    batches: Iterable[pa.RecordBatch], cohort: Cohort, *, only_on: bool = False, tally: Tally | None = None
) -> Iterator[pa.RecordBatch]:
    """ANSWERS for each batch, or, with `only_on`, IDS. Raises InvalidInput where a column cannot hold its attribute.

    A column that a batch does not have is missing for everybody; `missing_columns` says which these are.
    """
    answers = coded_batches(batches, cohort, only_on=only_on, tally=tally if tally is not None else Tally())
    for answer in answers:
        yield answer if only_on else answer.cast(ANSWERS)


def coded_batches(
    batches: Iterable[pa.RecordBatch], cohort: Cohort, *, only_on: bool, tally: Tally
) -> Iterator[pa.RecordBatch]:
    """The same with variants as a dictionary, as CODED: files are written more quickly from that."""
    variants = pa.array(cohort.variants, pa.string())
    for batch in batches:
        frame = Frame(batch, cohort.attributes)
        served = cohort.served(frame)
        on = cohort.on[served]
        tally.add(on, frame.refused(cohort.columns))
        ids = _ids(batch, cohort.bucket_by)
        if only_on:
            yield pa.RecordBatch.from_arrays([ids.filter(pa.array(on))], schema=IDS)
        else:
            coded = pa.DictionaryArray.from_arrays(pa.array(served), variants)
            yield pa.RecordBatch.from_arrays([ids, pa.array(on), coded], schema=CODED)


def missing_columns(cohort: Cohort, names: Iterable[str]) -> tuple[str, ...]:
    """The columns that a cohort asks for and a population with these does not have."""
    there = set(names)
    return tuple(name for name in cohort.columns if name not in there)


def _ids(batch: pa.RecordBatch, name: str) -> pa.Array:
    place = batch.schema.get_field_index(name)
    if place < 0:
        raise InvalidInput(f"there is no column {name}, by which the flag is given", "name the column of ids so")
    return batch.column(place).cast(pa.string())
