"""Packed member lists: the same answers as a set, in a tenth of the room."""

from __future__ import annotations

import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rollout.core.members import PackedMembers, digest_of, member_lines, pack_members
from tests.core.promises import promise

ids = st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1, max_size=8)
LIKE_IDS = ("", "\n", "u", "u-", "u-1 ", " u-1", "U-1", "u-1\n", "\nu-1", "u-1\n\nu-2", "प्र", "😀😀", "cafe\u0301")


def check_members(keys: list[str], *others: object) -> None:
    """The packed list has these keys, none of those that only look like them, and gives its lines back."""
    packed = pack_members(keys)
    members = PackedMembers(packed)
    assert members.count == len(set(keys))
    assert all(key in members for key in keys)
    for other in (*LIKE_IDS, *others):
        assert (other in members) == (other in set(keys)), other
    assert {line.decode() for line in member_lines(packed).split(b"\n") if line} == set(keys)


def test_a_list_of_any_size_has_its_keys_and_no_others() -> None:
    for size in (0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 1000, 1024, 5000):
        keys = [f"u-{number}" for number in range(size)]
        check_members(keys, *(f"u-{number}" for number in range(size, size + 200)))


def test_nobody_without_an_id_is_on_a_list() -> None:
    for kind in range(50):
        assert "" not in PackedMembers(pack_members(f"{kind}-{number}" for number in range(500)))


def test_keys_in_any_script_are_found() -> None:
    scripts = [
        "प्रिया",
        "நிலா",
        "用户",
        "عائشة",
        "👩‍👩‍👧",
        "😀",
        "caf\u00e9",
        "a b",
        "\u2028",
        "\x85",
        "\x00",
        "x" * 1024,
        "a\r",
    ]
    check_members(scripts, "प्रि", "👩", "caf", "a", "x" * 1023)


@promise(300)
@given(st.lists(ids, max_size=60), st.lists(ids | st.text(max_size=3), max_size=20))
@example(["a", "b"], ["a\n\nb"])
@example(["\x00"], ["\x00\x00"])
def test_a_packed_list_equals_a_set(keys: list[str], others: list[str]) -> None:
    members, expected = PackedMembers(pack_members(keys)), set(keys)
    for key in (*keys, *others, *LIKE_IDS, *(key[:-1] for key in keys), *(key + "x" for key in keys)):
        assert (key in members) == (key in expected), key


@promise(100)
@given(st.lists(ids, max_size=30), st.randoms(use_true_random=False))
def test_the_same_keys_are_the_same_bytes_in_any_order(keys: list[str], random: object) -> None:
    shuffled = [*keys, *keys[:3]]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert pack_members(shuffled) == pack_members(keys)
    assert digest_of(pack_members(shuffled)) == digest_of(pack_members(keys))


@promise(100)
@given(st.lists(ids, max_size=30))
def test_the_lines_of_a_list_pack_to_the_same_list(keys: list[str]) -> None:
    packed = pack_members(keys)
    assert pack_members(line.decode() for line in member_lines(packed).split(b"\n") if line) == packed


def test_what_is_not_text_is_on_no_list() -> None:
    members = PackedMembers(pack_members(["1", "True", "None"]))
    for key in (1, True, None, b"1", 1.0, ("1",), ["1"]):
        assert key not in members


def test_the_packed_form_is_pinned() -> None:
    """It is kept in stores: a change of form needs another header."""
    offsets = b"\x00\x00\x00\x00" + b"\x05\x00\x00\x00" + b"\x0a\x00\x00\x00"
    packed = b"members1 2 1\n" + offsets + b"\nu-1\n" + b"\nu-5\n"
    assert pack_members(["u-5", "u-1"]) == packed
    assert PackedMembers(packed).count == 2


def test_what_is_not_a_packed_list_is_refused() -> None:
    for content in (
        b"",
        b"employees\n",
        b"members1\n",
        b"members2 1 0\n\x00\x00\x00\x00",
        b"members1 x y\n",
        b"u-1\nu-2\n",
    ):
        with pytest.raises(ValueError, match=r"."):
            PackedMembers(content)


def test_a_hundred_thousand_keys_take_a_tenth_of_what_a_set_takes() -> None:
    keys = [f"u-{number:010}" for number in range(100_000)]
    packed = pack_members(keys)
    as_a_set = sys.getsizeof(frozenset(keys)) + sum(map(sys.getsizeof, keys))
    assert len(packed) < 20 * len(keys)
    assert len(packed) * 5 < as_a_set
