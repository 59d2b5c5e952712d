"""Buckets, against the published vectors and against a murmur3 of our own: nobody who was ever admitted may move."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from fractions import Fraction
from pathlib import Path

import mmh3
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rollout.core.bucketing import bucket, bucket_percent, splitter
from rollout.core.shares import EVERYBODY, HASHES, Share
from tests.core.promises import promise

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "bucketing.json").read_text(encoding="utf-8"))
TEXT = st.text(st.characters(codec="utf-8"), max_size=30)


def murmur3(data: bytes) -> int:
    """MurmurHash3_x86_32 with seed 0, from the description of the algorithm."""
    h = 0
    for start in range(0, len(data), 4):
        block = data[start : start + 4]
        k = int.from_bytes(block, "little") * 0xCC9E2D51 & 0xFFFFFFFF
        h ^= _rotated(k, 15) * 0x1B873593 & 0xFFFFFFFF
        if len(block) == 4:
            h = (_rotated(h, 13) * 5 + 0xE6546B64) & 0xFFFFFFFF
    h ^= len(data)
    h = (h ^ h >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    h = (h ^ h >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return h ^ h >> 16


def _rotated(word: int, bits: int) -> int:
    return (word << bits | word >> (32 - bits)) & 0xFFFFFFFF


def our_bucket(salt: str, targeting_key: str) -> int:
    return murmur3(f"{salt}:{targeting_key}".encode())


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: f"{case['salt']}-{case['hash']}")
def test_a_bucket_is_where_the_published_vectors_put_it(case: dict[str, object]) -> None:
    place = bucket(case["salt"], case["targeting_key"])
    assert place == our_bucket(case["salt"], case["targeting_key"]) == case["hash"]
    assert {share: place < Share.parse(share).threshold for share in case["admitted"]} == case["admitted"]


@pytest.mark.parametrize("case", VECTORS["splits"], ids=lambda case: f"{case['salt']}-{case['hash']}")
def test_a_split_serves_what_the_published_vectors_say(case: dict[str, object]) -> None:
    assert our_bucket(case["salt"] + ":split", case["targeting_key"]) == case["hash"]
    parts = [(variant, Share.parse(share)) for variant, share in case["split"]]
    assert parts[splitter(case["salt"], parts)(case["targeting_key"])][0] == case["variant"]


def test_the_published_thresholds_are_those_of_the_shares() -> None:
    for share, threshold in VECTORS["thresholds"].items():
        assert Share.parse(share).threshold == threshold


def test_the_vectors_have_every_edge() -> None:
    hashes = {case["hash"] for case in VECTORS["cases"]}
    assert {0, HASHES - 1} <= hashes
    for threshold in set(VECTORS["thresholds"].values()) - {0, HASHES}:
        assert {threshold - 1, threshold} <= hashes
    assert any(case["targeting_key"] == "" for case in VECTORS["cases"])


@promise(500)
@given(TEXT, TEXT)
@example("", "")
@example("payments", "")
@example("भुगतान", "प्रिया")
def test_two_murmurs_agree_on_any_text(salt: str, targeting_key: str) -> None:
    place = bucket(salt, targeting_key)
    assert place == our_bucket(salt, targeting_key)
    assert 0 <= place < HASHES


def test_a_bucket_is_shown_from_0_up_to_but_not_including_100() -> None:
    assert bucket_percent(0) == 0
    assert bucket_percent(HASHES // 2) == 50
    assert bucket_percent(HASHES - 1) == Fraction((HASHES - 1) * 100, HASHES) < 100


def test_the_cohorts_of_two_flags_are_independent() -> None:
    """Of 100,000 people, those in 10 % of both are a hundredth, within five standard deviations."""
    people, threshold = 100_000, Share.parse("10%").threshold
    both = sum(
        mmh3.hash(f"payments:u-{n}", 0, signed=False) < threshold
        and mmh3.hash(f"wallet:u-{n}", 0, signed=False) < threshold
        for n in range(people)
    )
    assert abs(both - people * 0.01) < 5 * (people * 0.01 * 0.99) ** 0.5


def test_being_early_in_a_rollout_says_nothing_about_the_variant() -> None:
    half = Share.parse("50%")
    variant = splitter("buy-button", [("blue", half), ("green", half)])
    early = [f"u-{n}" for n in range(40_000) if bucket("buy-button", f"u-{n}") < Share.parse("10%").threshold]
    blue = sum(variant(who) == 0 for who in early)
    assert abs(blue - len(early) / 2) < 5 * (len(early) / 4) ** 0.5


def check_split(*shares: str) -> None:
    """Of 20,000 people, each part has its share within five standard deviations."""
    people = 20_000
    parts = [(str(index), Share.parse(share)) for index, share in enumerate(shares)]
    variant = splitter("salt", parts)
    counted = Counter(variant(f"u-{n}") for n in range(people))
    for index, (_, share) in enumerate(parts):
        part = float(share.percent / 100)
        assert abs(counted[index] - people * part) <= 5 * (people * part * (1 - part)) ** 0.5


def test_each_part_of_a_split_has_its_share() -> None:
    check_split("100%")
    check_split("50%", "50%")
    check_split("33.333%", "33.333%", "33.334%")
    check_split("0%", "100%")
    check_split("100%", "0%")
    check_split("0%", "50%", "0%", "50%", "0%")
    check_split("99%", "0.5%", "0.5%")


@promise(200)
@given(st.lists(st.integers(0, 10**10), min_size=1, max_size=6), TEXT)
def test_a_split_always_serves_one_of_its_parts_that_has_anybody(cuts: list[int], targeting_key: str) -> None:
    ends = [0, *sorted(cuts), 10**10]
    shares = [Share(Fraction(end - start, 10**8)) for start, end in itertools.pairwise(ends)]
    assert sum(share.percent for share in shares) == EVERYBODY.percent
    parts = [(str(index), share) for index, share in enumerate(shares)]
    assert shares[splitter("salt", parts)(targeting_key)].percent > 0
