"""Member lists of up to a million targeting keys, packed so that they are small and quick to look into.

Packed form: a header line `members1 COUNT BITS`, then 2^BITS + 1 offsets of four bytes (little-endian), then the keys,
each between newlines, in buckets by the top BITS of their hash. Looking up is one hash and a search in a bucket that
holds about one key. A list of a million keys of 12 characters takes about 20 MB; a frozenset of them more than 100.
"""

from __future__ import annotations

import hashlib
import sys
from array import array
from collections.abc import Iterable
from typing import Protocol

import mmh3

SMALL = 1000
"""Lists up to this long are opened as a set, which is quicker to look into; longer ones stay packed."""


class Membership(Protocol):
    def __contains__(self, key: object, /) -> bool: ...


def pack_members(keys: Iterable[str]) -> bytes:
    """The packed form of these targeting keys, the same bytes for the same set of keys. No key has a newline in it."""
    encoded = sorted({key.encode() for key in keys})
    bits = max(len(encoded).bit_length() - 1, 0)
    shift = 32 - bits
    buckets = sorted((mmh3.hash(key, 0, signed=False) >> shift, key) for key in encoded)
    offsets = array("I", [0])
    text = bytearray()
    current = 0
    for bucket, key in buckets:
        while current < bucket:
            offsets.append(len(text))
            current += 1
        text += b"\n" + key + b"\n"
    offsets.extend([len(text)] * (2**bits - current))
    return b"members1 %d %d\n" % (len(encoded), bits) + _little_endian(offsets).tobytes() + bytes(text)


def digest_of(content: bytes) -> str:
    """The address under which content is kept: SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


class PackedMembers:
    """A packed member list, to look into. Immutable; safe to share between threads."""

    __slots__ = ("_bits", "_offsets", "_shift", "_text", "count")

    def __init__(self, packed: bytes) -> None:
        header, _, body = packed.partition(b"\n")
        kind, count, bits = header.split()
        if kind != b"members1":
            raise ValueError("not a packed member list")
        size = 4 * (2 ** int(bits) + 1)
        offsets = array("I")
        offsets.frombytes(body[:size])
        self.count = int(count)
        self._bits = int(bits)
        self._offsets = _little_endian(offsets)
        self._shift = 32 - int(bits)
        self._text = body[size:]

    def packed(self) -> bytes:
        """The bytes that it was made from."""
        header = b"members1 %d %d\n" % (self.count, self._bits)
        return header + _little_endian(self._offsets).tobytes() + self._text

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, str) or not key or "\n" in key:  # what stands between two keys is not a key
            return False
        encoded = key.encode()
        bucket = mmh3.hash(encoded, 0, signed=False) >> self._shift
        offsets = self._offsets
        return b"\n" + encoded + b"\n" in self._text[offsets[bucket] : offsets[bucket + 1]]


def open_members(packed: bytes) -> Membership:
    """To look into. Raises ValueError for what is not a packed list."""
    members = PackedMembers(packed)
    if members.count > SMALL:
        return members
    return frozenset(line.decode() for line in member_lines(packed).split(b"\n") if line)


def packed_form(members: Membership) -> bytes:
    """The packed form of a list that was opened, or of a small one that is a set of its keys."""
    return members.packed() if isinstance(members, PackedMembers) else pack_members(members)  # type: ignore[arg-type]


def member_lines(packed: bytes) -> bytes:
    """The keys of a packed list, one a line with empty lines between, as a member file may have them."""
    _, _, bits = packed[: packed.index(b"\n")].split()
    return packed[packed.index(b"\n") + 1 + 4 * (2 ** int(bits) + 1) :]


def lists_no_more(packed: bytes, other: bytes) -> bool:
    """Every key of the first packed list is in the second."""
    return set(member_lines(packed).split(b"\n")) <= {b"", *member_lines(other).split(b"\n")}


def _little_endian(offsets: array[int]) -> array[int]:
    if sys.byteorder == "big":
        offsets = offsets[:]
        offsets.byteswap()
    return offsets
