"""Merkle trees over lines, as RFC 6962 hashes them: a root of 32 bytes stands for a whole record in its order. A
frontier is what a growing tree needs to remember; a consistency proof (RFC 9162) shows that a longer record begins with
a shorter one, entry by entry, to somebody who has but the two roots.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HASH_BYTES = 32


def leaf_hash(line: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + line).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """A tree of `size` leaves, as the roots of its perfect subtrees from left to right: one for each 1 in the binary
    form of `size`, so that a tree of a billion leaves is 30 hashes at the most."""

    size: int = 0
    roots: tuple[bytes, ...] = ()

    def plus(self, leaves: Iterable[bytes]) -> Frontier:
        """The tree with these leaf hashes behind the others."""
        size, roots = self.size, list(self.roots)
        for leaf in leaves:
            roots.append(leaf)
            below = size
            while below & 1:  # a subtree of the same height stands to the left: they become one
                right = roots.pop()
                roots.append(node_hash(roots.pop(), right))
                below >>= 1
            size += 1
        return Frontier(size, tuple(roots))

    def root(self) -> bytes:
        """MTH of RFC 6962, 2.1: what `root_of` says of all the leaves."""
        if not self.roots:
            return hashlib.sha256(b"").digest()
        root = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            root = node_hash(left, root)
        return root


EMPTY = Frontier()


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The Merkle tree hash of these leaf hashes; of none, the hash of nothing."""
    return EMPTY.plus(leaves).root()


def inclusion_proof(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n]) of RFC 6962, 2.1.1: that the leaf at `index` (from 0) is in the tree. Raises ValueError where there
    is no such leaf."""
    if not 0 <= index < len(leaves):
        raise ValueError(f"there is no leaf {index} in a tree of {len(leaves)}")
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    left, right = leaves[:split], leaves[split:]
    if index < split:
        return [*inclusion_proof(index, left), root_of(right)]
    return [*inclusion_proof(index - split, right), root_of(left)]


def proves_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """RFC 9162, 2.1.3.2."""
    if not 0 <= index < size:
        return False
    at, last, computed = index, size - 1, leaf
    for step in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            computed = node_hash(step, computed)
            at, last = _past_right_edge(at, last)
        else:
            computed = node_hash(computed, step)
        at, last = at >> 1, last >> 1
    return last == 0 and computed == root


def consistency_proof(old_size: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PROOF(m, D[n]) of RFC 6962, 2.1.2: that the tree of these leaves begins with the tree of the first `old_size`.
    Raises ValueError where there are not so many, or none."""
    if not 0 < old_size <= len(leaves):
        raise ValueError(f"a tree of {len(leaves)} leaves has none of {old_size} to begin with")
    return _subproof(old_size, leaves, whole=True)


def proves_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """RFC 9162, 2.1.4.2. Of nothing every tree is a continuation, which takes no proof."""
    if old_size == 0:
        return not proof and old_root == root_of(())
    if old_size == new_size:
        return not proof and old_root == new_root
    if not 0 < old_size < new_size:
        return False
    path = list(proof)
    if old_size & (old_size - 1) == 0:  # the old tree is a subtree of the new one
        path.insert(0, old_root)
    if not path:
        return False
    old_at, new_at = old_size - 1, new_size - 1
    while old_at & 1:
        old_at, new_at = old_at >> 1, new_at >> 1
    old_computed = new_computed = path[0]
    for step in path[1:]:
        if new_at == 0:
            return False
        if old_at & 1 or old_at == new_at:
            old_computed, new_computed = node_hash(step, old_computed), node_hash(step, new_computed)
            old_at, new_at = _past_right_edge(old_at, new_at)
        else:
            new_computed = node_hash(new_computed, step)
        old_at, new_at = old_at >> 1, new_at >> 1
    return new_at == 0 and old_computed == old_root and new_computed == new_root


def _past_right_edge(at: int, last: int) -> tuple[int, int]:
    """Up to where `at` is a right child: between, it has no sibling."""
    while at and not at & 1:
        at, last = at >> 1, last >> 1
    return at, last


def _subproof(old_size: int, leaves: Sequence[bytes], *, whole: bool) -> list[bytes]:
    if old_size == len(leaves):
        return [] if whole else [root_of(leaves)]
    split = _split(len(leaves))
    left, right = leaves[:split], leaves[split:]
    if old_size <= split:
        return [*_subproof(old_size, left, whole=whole), root_of(right)]
    return [*_subproof(old_size - split, right, whole=False), root_of(left)]


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)
