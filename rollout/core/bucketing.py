"""Buckets: where a subject falls for one flag. This is a contract with everyone who was ever admitted.

    h = murmur3_x86_32(utf8(salt + ":" + targeting_key), seed 0), unsigned
    admitted to a share of p percent when h < p × 2³² / 100, rounded up

MurmurHash3 is Austin Appleby's (https://github.com/aappleby/smhasher). Shares nest, since a larger one only raises the
threshold; flags are independent of each other, since their salts differ.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import accumulate

import mmh3

from rollout.core.shares import HASHES, NOBODY, Share

hash32 = mmh3.hash


def bucket(salt: str, targeting_key: str) -> int:
    """The subject's place for a salt, from 0 to 2³² - 1."""
    # Changing this line would move almost every subject: tests/vectors/bucketing.json pins it.
    return mmh3.hash(f"{salt}:{targeting_key}", 0, signed=False)


def bucket_percent(place: int) -> Fraction:
    """A place as people are shown it, from 0 up to but not including 100."""
    return Fraction(place * 100, HASHES)


def splitter(salt: str, shares: Sequence[tuple[str, Share]]) -> Callable[[str], int]:
    """A function from targeting key to the index of the variant that its subject gets of a split. Splits have a salt of
    their own, so that being early in a rollout says nothing about the variant."""
    ends = [Share(end).threshold for end in accumulate((share.percent for _, share in shares), initial=NOBODY.percent)]
    starts = ends[1:-1]
    own = salt + ":split"

    def variant_index(targeting_key: str) -> int:
        return bisect_right(starts, bucket(own, targeting_key))

    return variant_index
