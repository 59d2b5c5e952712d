"""A part of a population: its columns, read when they are first asked for, and what was worked out of them once for all
who ask (segments, places).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pyarrow as pa

from rollout.batch.buffers import ends_and_bytes
from rollout.batch.columns import Column, Mask, read_column
from rollout.batch.hashing import Hashes, hash_text, salted
from rollout.core.attributes import Attribute, AttributeType
from rollout.core.flags import TARGETING_ATTRIBUTE

FEW = 0.5
"""Where no more rows than this part are asked about, only these are hashed."""

_TARGETING = Attribute(TARGETING_ATTRIBUTE, AttributeType.STRING)


class Frame:
    """What the evaluation asks of one batch. `attributes` are the declared ones; others are never read."""

    def __init__(self, batch: pa.RecordBatch, attributes: Mapping[str, Attribute]) -> None:
        self.size: int = batch.num_rows
        self._batch = batch
        self._attributes = attributes
        self._columns: dict[str, Column | None] = {}
        self._segments: dict[str, Mask] = {}
        self._places: dict[tuple[str, str], Hashes] = {}

    def column(self, name: str) -> Column | None:
        """None where the batch has no such column, or nobody declared such an attribute."""
        if name not in self._columns:
            self._columns[name] = self._read(name)
        return self._columns[name]

    def _read(self, name: str) -> Column | None:
        attribute = self._attributes.get(name) or (_TARGETING if name == TARGETING_ATTRIBUTE else None)
        place = self._batch.schema.get_field_index(name)
        if attribute is None or place < 0:
            return None
        return read_column(attribute, self._batch.column(place))

    def refused(self, names: Iterable[str]) -> Mask:
        """Rows with a value that the service would refuse, in any of these columns."""
        refused = np.zeros(self.size, np.bool_)
        for column in map(self.column, names):
            rows = column.refused_rows() if column else None
            if rows is not None:
                refused |= rows
        return refused

    def segment(self, name: str, work_out: Callable[[Frame], Mask]) -> Mask:
        if name not in self._segments:
            self._segments[name] = work_out(self)
        return self._segments[name]

    def keyed(self, bucket_by: str) -> Mask:
        """Rows that have a targeting key; an empty one is none."""
        column = self.column(bucket_by)
        if column is None or not isinstance(column.values, pa.Array):
            return np.zeros(self.size, np.bool_)
        return column.rows(_filled(column.values))

    def places(self, salt: str, bucket_by: str, who: Mask) -> Hashes:
        """Where these rows fall for a salt; of others, and of those without a targeting key, it means nothing."""
        column = self.column(bucket_by)
        if column is None or not isinstance(column.values, pa.Array):
            return np.zeros(self.size, np.uint32)
        if (salt, bucket_by) in self._places:
            return self._places[salt, bucket_by]
        if column.codes is None and np.count_nonzero(who) <= FEW * self.size:
            return _places_of_few(salt, column.values, who)
        found = hash_text(salted(salt), column.values)
        if column.codes is not None:
            found = np.append(found, np.uint32(0))[column.codes]
        self._places[salt, bucket_by] = found
        return found


def _places_of_few(salt: str, text: pa.Array, who: Mask) -> Hashes:
    places = np.zeros(len(text), np.uint32)
    rows = np.flatnonzero(who)
    places[rows] = hash_text(salted(salt), text.take(pa.array(rows)))
    return places


def _filled(text: pa.Array) -> Mask:
    """Which texts have anything in them."""
    ends, _ = ends_and_bytes(text)
    mask: Mask = np.diff(ends) > 0
    return mask
