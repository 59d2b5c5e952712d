"""Arrow text as numpy sees it, without a copy: where each row begins and ends, and the bytes of all of them."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bytes: TypeAlias = npt.NDArray[np.uint8]
Offsets: TypeAlias = npt.NDArray[np.int32] | npt.NDArray[np.int64]


def ends_and_bytes(text: pa.Array) -> tuple[Offsets, Bytes]:
    """Row n is `bytes[ends[n]:ends[n + 1]]`; where it is null, anything. `text` is of type string or large_string."""
    _, offsets, data = text.buffers()
    content = np.frombuffer(data if data is not None else b"", np.uint8)
    rows = slice(text.offset, text.offset + len(text) + 1)
    if offsets is None:
        return np.zeros(len(text) + 1, np.int32), content
    if pa.types.is_large_string(text.type):
        return np.frombuffer(offsets, np.int64)[rows], content
    return np.frombuffer(offsets, np.int32)[rows], content
