"""The buckets of whole columns are the buckets that everybody alone has, for ever."""

from __future__ import annotations

import json
import random
from pathlib import Path

import mmh3
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.batch import hashing
from rollout.batch.hashing import Ragged, compiled_loop, hash_by_length, hash_text, salted
from tests.core.promises import promise

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "bucketing.json").read_text(encoding="utf-8"))
WAYS = [way for way in (hash_by_length, compiled_loop()) if way is not None]
TEXT = (pa.string(), pa.large_string())


def alone(prefix: str, texts: list[str]) -> list[int]:
    return [mmh3.hash(prefix + text, 0, signed=False) for text in texts]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_the_published_vectors_hold(way: Ragged) -> None:
    for case in VECTORS["cases"]:
        keys = pa.array([case["targeting_key"], "another-key"])  # two lengths
        assert hash_text(salted(case["salt"]), keys, way)[0] == case["hash"], case
        assert hash_text(salted(case["salt"]), keys[:1], way)[0] == case["hash"], case


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@promise()
@given(prefix=st.text(max_size=9), texts=st.lists(st.text(max_size=20), max_size=50), kind=st.sampled_from(TEXT))
def test_whatever_the_salt_and_the_keys_are_a_column_hashes_as_its_keys_do(
    way: Ragged, prefix: str, texts: list[str], kind: pa.DataType
) -> None:
    column = pa.array(texts, kind)
    assert hash_text(prefix.encode(), column, way).tolist() == alone(prefix, texts)
    assert hash_text(prefix.encode(), column[3:9], way).tolist() == alone(prefix, texts[3:9])


@pytest.mark.parametrize("length", range(13))
def test_keys_of_one_length_hash_as_any_others(length: int) -> None:
    dice = random.Random(length)
    texts = ["".join(dice.choices("abc0", k=length)) for _ in range(50)]
    for prefix in ("", "a", "ab:", "flag:", "payments:"):
        assert hash_text(prefix.encode(), pa.array(texts)).tolist() == alone(prefix, texts)


def test_what_stands_under_nulls_changes_nothing_for_the_others() -> None:
    column = pa.array(["u-1", None, "u-22", None, "u-1"])
    hashes = hash_text(b"s:", column).tolist()
    assert [hashes[row] for row in (0, 2, 4)] == alone("s:", ["u-1", "u-22", "u-1"])


def test_a_column_of_several_slices_hashes_as_its_parts_do() -> None:
    texts = [f"u-{number}" for number in range(2 * hashing.SLICE + 7)]
    hashes = hash_text(b"payments:", pa.array(texts))
    some = [0, hashing.SLICE - 1, hashing.SLICE, 2 * hashing.SLICE + 6]
    assert [int(hashes[row]) for row in some] == alone("payments:", [texts[row] for row in some])


def test_the_way_that_takes_over_after_many_rows_gives_the_same() -> None:
    ends = np.array([0, 3, 7], np.int32)
    data = np.frombuffer(b"u-1u-22", np.uint8)
    quickest = hashing.Quickest(many=3)
    for _ in range(3):
        into = np.empty(2, np.uint32)
        quickest(b"s:", data, ends, into)
        assert into.tolist() == alone("s:", ["u-1", "u-22"])
