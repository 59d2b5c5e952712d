"""The chain of entries: what follows is taken, and whatever was changed is named."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from rollout.core.audit import canonical_line
from rollout.core.chain import BrokenChain, Chain, Place, entry_hash, follow, place_text
from rollout.core.merkle import leaf_hash, root_of

PLACES: list[Place] = [(0, 1), (1, 0), (2, 0), (2, 1), (2, 2), (3, 0), (4, 0)]
NOTHING = hashlib.sha256(b"").hexdigest()


def entry(place: Place, previous: str | None, **more: Any) -> bytes:
    revision, note = place
    numbered = {"note": note} if note else {}
    chained = {} if previous is None else {"previous": previous}
    at = f"2018-01-0{revision + 1}T00:00:00.000Z"
    return canonical_line({"revision": revision, "at": at, **numbered, **chained, **more})


def chained(places: list[Place] = PLACES, **more: Any) -> list[bytes]:
    lines: list[bytes] = []
    for place in places:
        lines.append(entry(place, entry_hash(lines[-1]) if lines else NOTHING, **more))
    return lines


def broken(lines: list[bytes], chain: Chain | None = None) -> str:
    with pytest.raises(BrokenChain) as raised:
        follow(lines, chain)
    return str(raised.value)


def test_the_hash_of_an_entry_is_pinned():
    line = b'{"at":"2018-01-01T00:00:00.000Z","revision":1}'
    assert entry_hash(line) == hashlib.sha256(b"rollout-audit:v1\n" + line).hexdigest()
    assert entry_hash(line) == "f57c8863e5be5c866a35c9b2719869d5d1f431c84a2a24eb50ecf367ff27d7bc"


def test_a_chain_is_followed_to_its_end():
    lines = chained()
    chain = follow(lines)
    assert (chain.place, chain.size, chain.hash) == ((4, 0), 7, entry_hash(lines[-1]))
    assert chain.root == root_of(map(leaf_hash, lines)).hex()
    assert follow(lines[3:], follow(lines[:3])) == chain


def test_an_entry_that_was_edited_is_named():
    for number, place in enumerate(PLACES[:-1]):
        lines = chained()
        lines[number] = lines[number].replace(b"T00:00:00.000Z", b"T00:00:00.001Z")
        assert broken(lines).startswith(f"entry {place_text(place)} is not what entry ")


def test_an_entry_that_was_left_out_or_repeated_is_named():
    for number in range(1, len(PLACES) - 1):
        lines = chained()
        after = place_text(PLACES[number + 1])
        assert broken(lines[:number] + lines[number + 1 :]).startswith(
            (f"entry {after} follows", "entry 2.1 is not what")
        )
        assert "out of order, or there twice" in broken([*lines[: number + 1], lines[number]])


def test_entries_that_changed_places_are_named():
    lines = chained()
    lines[1], lines[2] = lines[2], lines[1]
    assert broken(lines) == "entry 2 follows 0.1: entries are missing between"


def test_an_entry_of_another_history_is_not_taken():
    assert broken([*chained()[:3], *chained(reason="forged")[3:]]).startswith("entry 2 is not what entry")


def test_time_never_goes_back():
    lines = chained(PLACES[:2])
    lines.append(entry((2, 0), entry_hash(lines[-1]), at="2018-01-01T00:00:00.000Z"))
    assert broken(lines).startswith("entry 2 is of 2018-01-01T00:00:00.000Z, earlier than the one before it")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[]",
        b"7",
        b"not JSON",
        b"\xff",
        b'{"at": "2018-01-01T00:00:00.000Z","revision":1}',
        b'{"revision":1,"at":"2018-01-01T00:00:00.000Z"}',
        b'{"at":"2018-01-01T00:00:00.000Z","revision":"1"}',
        b'{"at":"2018-01-01T00:00:00.000Z","revision":1.0}',
        b'{"at":"2018-01-01T00:00:00.000Z","previous":null,"revision":1}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_entry_is_said_to_be_none(line):
    assert broken([line]) == "what follows entry 0 is not an entry as the service writes it"


def test_what_an_earlier_release_left_is_sealed_by_the_first_entry_of_the_chain():
    old = [entry((1, 0), None), entry((2, 0), None)]
    root = root_of(map(leaf_hash, old)).hex()
    assert follow(old).next_previous == root
    first = entry((3, 0), root)
    assert follow([*old, first, entry((4, 0), entry_hash(first))]).place == (4, 0)
    edited = [old[0].replace(b"T00:00:00.000Z", b"T00:00:00.001Z"), old[1], first]
    assert broken(edited).startswith("entry 2 is not what entry")
    assert "although the chain had begun" in broken([*old, first, entry((4, 0), None)])


def test_the_first_entry_of_all_names_the_hash_of_nothing():
    assert follow(chained()[:1]).size == 1
    assert broken([entry((1, 0), "0" * 64)]) == "entry 1 is the first, and names 000000000000 as the hash before it"
