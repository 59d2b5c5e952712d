"""Member lists against whole columns: a bitmap of the members' hashes rules out nearly all of the others, and the
core's own packed list decides about those who are left. The bitmap takes 16 MB at most.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from rollout.batch.columns import Column, Mask
from rollout.batch.frames import Frame
from rollout.batch.hashing import Hashes, hash_by_length, hash_rows, hash_text
from rollout.core.flags import TARGETING_ATTRIBUTE
from rollout.core.members import PackedMembers, member_lines

_SPARSE = 10  # bits more than the number of members has: of others, one in a thousand is looked up for nothing
_LEAST_BITS, _MOST_BITS = 20, 27
_HASH_BITS = 32


class MemberColumn:
    """A packed member list, to look whole columns up in."""

    def __init__(self, packed: bytes) -> None:
        self._members = PackedMembers(packed)
        bits = min(max(self._members.count.bit_length() + _SPARSE, _LEAST_BITS), _MOST_BITS)
        self._shift = np.uint32(_HASH_BITS - bits)
        self._bitmap = np.zeros(2**bits // 8, np.uint8)
        cells = _hashes(packed) >> self._shift
        np.bitwise_or.at(self._bitmap, cells >> np.uint32(3), _bit(cells))

    def rows(self, frame: Frame) -> Mask:
        column = frame.column(TARGETING_ATTRIBUTE)
        if column is None or not isinstance(column.values, pa.Array):
            return np.zeros(frame.size, np.bool_)
        return column.rows(self._values(column))

    def _values(self, column: Column) -> Mask:
        cells = hash_text(b"", column.values) >> self._shift
        maybe = np.flatnonzero(self._bitmap[cells >> np.uint32(3)] & _bit(cells))
        listed = [key in self._members for key in column.values.take(pa.array(maybe)).to_pylist()]
        found = np.zeros(len(column.values), np.bool_)
        found[maybe] = np.array(listed, np.bool_)
        return found


def _hashes(packed: bytes) -> Hashes:
    """Of all members, who stand each between two newlines. Without a Python object for each of a million."""
    text = np.frombuffer(member_lines(packed), np.uint8)
    newlines = np.flatnonzero(text == ord("\n"))
    ends = np.append(0, np.cumsum(newlines[1::2] - newlines[::2] - 1))
    return hash_rows(b"", text[text != ord("\n")], ends, hash_by_length)


def _bit(cells: Hashes) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.left_shift(np.uint8(1), (cells & np.uint32(7)).astype(np.uint8))
