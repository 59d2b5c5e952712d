"""Buckets of whole columns: `core.bucketing.bucket` for many targeting keys at once, over the buffers of Arrow arrays.

The same MurmurHash3 (x86, 32 bits, seed 0) of Austin Appleby's; the salt, with which all keys begin, is worked in
once. Rows of one length are read as the columns of a table; rows of several are put together by length first or, where
numba is installed and there are many, go through a compiled loop. The answers are equal, whichever is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rollout.batch.buffers import Bytes, Offsets, ends_and_bytes

Hashes: TypeAlias = npt.NDArray[np.uint32]
Ragged: TypeAlias = Callable[[bytes, Bytes, Offsets, Hashes], None]
"""Hashes rows of several lengths, after what stands before all of them, into the last argument."""

Load: TypeAlias = Callable[[str, int], npt.NDArray[Any]]
"""From a type and a place inside the row to what stands there in every row."""

SLICE = 65_536
"""Rows hashed together: many, since every step over them has a cost of its own; few enough for a core's own cache."""

MANY = 10_000_000
"""Rows of several lengths, after which numba is asked: it takes seconds to be ready."""

_C1, _C2 = 0xCC9E2D51, 0x1B873593
_ADDED = 0xE6546B64
_FINAL = (0x85EBCA6B, 0xC2B2AE35)
_ALL = 0xFFFFFFFF


def hash_text(prefix: bytes, texts: pa.Array, ragged: Ragged | None = None) -> Hashes:
    """The hash of `prefix` and each text, from 0 to 2³² - 1. `texts` is of type string or large_string; where it is
    null the hash means nothing."""
    ends, content = ends_and_bytes(texts)
    return hash_rows(prefix, content, ends, ragged or _hash_ragged)


def salted(salt: str) -> bytes:
    """What is hashed before a targeting key."""
    return f"{salt}:".encode()


def hash_rows(prefix: bytes, data: Bytes, ends: Offsets, ragged: Ragged) -> Hashes:
    hashes = np.empty(len(ends) - 1, np.uint32)
    for begin in range(0, len(hashes), SLICE):
        part = ends[begin : begin + SLICE + 1]
        into = hashes[begin : begin + SLICE]
        lengths = np.diff(part)
        if (lengths == lengths[0]).all():
            _hash(prefix, data, int(part[0]), int(lengths[0]), into)
        else:
            ragged(prefix, data, part, into)
    return hashes


def hash_by_length(prefix: bytes, data: Bytes, ends: Offsets, into: Hashes) -> None:
    """By numpy: the rows of one length at a time, put one after the other."""
    starts, lengths = ends[:-1], np.diff(ends)
    for length in _distinct(lengths):
        rows = np.flatnonzero(lengths == length)
        part = np.empty(len(rows), np.uint32)
        _hash(prefix, _gathered(data, starts[rows], length), 0, length, part)
        into[rows] = part


def _distinct(lengths: Offsets) -> list[int]:
    counted = lengths.max() <= SLICE  # it takes as much memory as the longest row has bytes
    found: list[int] = (np.flatnonzero(np.bincount(lengths)) if counted else np.unique(lengths)).tolist()
    return found


def _gathered(data: Bytes, starts: Offsets, length: int) -> Bytes:
    """The rows that begin there, each copied as one item of `length` bytes."""
    if not length:
        return data[:0]
    items = np.ndarray((len(data) - length + 1,), f"V{length}", data, 0, (1,))
    return items[starts].view(np.uint8)


def _hash(prefix: bytes, data: Bytes, begin: int, length: int, into: Hashes) -> None:
    """Rows of one length that stand one after the other from `begin` on."""
    whole, rest = len(prefix) // 4 * 4, len(prefix) % 4
    into.fill(_begin(prefix[:whole]))
    block, spare = np.empty_like(into), np.empty_like(into)

    def column(dtype: str, place: int) -> npt.NDArray[Any]:
        return np.ndarray(into.shape, dtype, data, begin + place, (length,))

    for place in range(-rest, length, 4):
        _load(column, prefix[whole:], length, place, block)
        _scramble(block, spare)
        into ^= block
        if place + 4 <= length:
            _rotate(into, 13, spare)
            into *= np.uint32(5)
            into += np.uint32(_ADDED)
    _finish(into, len(prefix) + length, spare)


def _load(column: Load, rest: bytes, length: int, place: int, block: Hashes) -> None:
    """Of every row the four bytes from `place` on, or what there is of them, as one little-endian number. Before the
    row stands `rest`."""

    if length < 4:
        block.fill(int.from_bytes(rest, "little") if place < 0 else 0)
        for byte in range(max(place, 0), min(place + 4, length)):
            block |= column("u1", byte).astype(np.uint32) << np.uint32(8 * (byte - place))
    elif place < 0:
        np.left_shift(column("<u4", 0), np.uint32(-8 * place), out=block)
        block |= np.uint32(int.from_bytes(rest, "little"))
    elif place + 4 <= length:
        block[:] = column("<u4", place)
    else:
        np.right_shift(column("<u4", length - 4), np.uint32(8 * (place + 4 - length)), out=block)


def _scramble(block: Hashes, spare: Hashes) -> None:
    block *= np.uint32(_C1)
    _rotate(block, 15, spare)
    block *= np.uint32(_C2)


def _rotate(block: Hashes, bits: int, spare: Hashes) -> None:
    np.right_shift(block, np.uint32(32 - bits), out=spare)
    np.left_shift(block, np.uint32(bits), out=block)
    block |= spare


def _finish(hashes: Hashes, size: int, spare: Hashes) -> None:
    hashes ^= np.uint32(size)
    for bits, factor in zip((16, 13), _FINAL, strict=True):
        np.right_shift(hashes, np.uint32(bits), out=spare)
        hashes ^= spare
        hashes *= np.uint32(factor)
    np.right_shift(hashes, np.uint32(16), out=spare)
    hashes ^= spare


def _begin(blocks: bytes) -> int:
    """The state after what all rows begin with."""
    state = 0
    for place in range(0, len(blocks), 4):
        state ^= _scrambled(int.from_bytes(blocks[place : place + 4], "little"))
        state = (_rotated(state, 13) * 5 + _ADDED) & _ALL
    return state


def _scrambled(block: int) -> int:
    return _rotated(block * _C1 & _ALL, 15) * _C2 & _ALL


def _rotated(block: int, bits: int) -> int:
    return (block << bits | block >> (32 - bits)) & _ALL


def compiled_loop() -> Ragged | None:
    """None where numba is not installed."""
    try:
        from rollout.batch.compiled import hash_compiled  # noqa: PLC0415  # numba takes a second to import
    except ImportError:
        return None
    return hash_compiled


class Quickest:
    """By numpy at first; by the compiled loop, where numba is installed, once so many rows came that it pays to wait
    for the compiler."""

    def __init__(self, many: int = MANY) -> None:
        self._many = many
        self._rows = 0
        self._ragged: Ragged = hash_by_length

    def __call__(self, prefix: bytes, data: Bytes, ends: Offsets, into: Hashes) -> None:
        before, self._rows = self._rows, self._rows + len(into)
        if before < self._many <= self._rows:
            self._ragged = compiled_loop() or hash_by_length
        self._ragged(prefix, data, ends, into)


_hash_ragged = Quickest()
