"""Trees over lines: the known answers of RFC 6962's reference implementation, and promises at every size."""

from __future__ import annotations

import hashlib

import pytest

from rollout.core.merkle import (
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    proves_consistency,
    proves_inclusion,
    root_of,
)

# The eight leaves of the known-answer vectors of Certificate Transparency (merkletree tests of google/certificate-
# transparency, from which those of Trillian and transparency-dev/merkle come), and the roots of the first 1 to 8.
LEAVES = [
    leaf_hash(bytes.fromhex(line))
    for line in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
MANY = [leaf_hash(b"%d" % n) for n in range(40)]


def known(*proof: str) -> list[bytes]:
    return [bytes.fromhex(step) for step in proof]


def test_the_tree_of_nothing_is_the_hash_of_nothing():
    assert root_of([]) == hashlib.sha256(b"").digest() == Frontier().root()


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_known_answers(size):
    assert root_of(LEAVES[:size]).hex() == ROOTS[size - 1]


@pytest.mark.parametrize(
    ("index", "size", "proof"),
    [
        (0, 1, known()),
        (
            0,
            8,
            known(
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ),
        ),
        (
            5,
            8,
            known(
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ),
        ),
        (2, 3, known("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125")),
    ],
)
def test_paths_are_those_of_the_known_answers(index, size, proof):
    assert inclusion_proof(index, LEAVES[:size]) == proof


@pytest.mark.parametrize(
    ("old", "new", "proof"),
    [
        (1, 1, known()),
        (
            1,
            8,
            known(
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ),
        ),
        (
            6,
            8,
            known(
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ),
        ),
        (
            2,
            5,
            known(
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ),
        ),
    ],
)
def test_consistency_proofs_are_those_of_the_known_answers(old, new, proof):
    assert consistency_proof(old, LEAVES[:new]) == proof


def test_every_leaf_of_every_tree_is_proved_and_none_at_another_place():
    for size in range(1, len(MANY) + 1):
        root = root_of(MANY[:size])
        for index in range(size):
            proof = inclusion_proof(index, MANY[:size])
            assert proves_inclusion(MANY[index], index, size, proof, root)
            assert not proves_inclusion(MANY[index], index + 1, size, proof, root)
            assert not proves_inclusion(leaf_hash(b"another"), index, size, proof, root)
            assert not proves_inclusion(MANY[index], index, size, [*proof, root], root)


def test_every_tree_is_proved_to_begin_with_every_smaller_one():
    roots = [root_of(MANY[:size]) for size in range(len(MANY) + 1)]
    for new in range(1, len(MANY) + 1):
        assert proves_consistency(0, roots[0], new, roots[new], [])
        for old in range(1, new + 1):
            proof = consistency_proof(old, MANY[:new])
            assert proves_consistency(old, roots[old], new, roots[new], proof)
            assert not proves_consistency(old, roots[old - 1], new, roots[new], proof)
            assert not proves_consistency(old, roots[old], new, leaf_hash(b"another"), proof)


def test_a_rewritten_beginning_has_no_proof():
    for changed in range(7):
        forged = [leaf_hash(b"forged") if n == changed else leaf for n, leaf in enumerate(LEAVES)]
        proof = consistency_proof(7, forged)
        assert not proves_consistency(7, root_of(LEAVES[:7]), 8, root_of(forged), proof)


def test_a_frontier_grows_to_the_same_root_in_any_steps():
    for first in range(len(MANY)):
        grown = Frontier().plus(MANY[:first]).plus(MANY[first:])
        assert grown == Frontier().plus(MANY)
        assert grown.root() == root_of(MANY)
        assert len(grown.roots) == len(MANY).bit_count()


@pytest.mark.parametrize(("old", "new"), [(5, 4), (1, 0)])
def test_there_is_no_proof_for_a_tree_that_shrank(old, new):
    with pytest.raises(ValueError, match=f"a tree of {new} leaves has none of {old}"):
        consistency_proof(old, MANY[:new])
    assert not proves_consistency(old, root_of(MANY[:old]), new, root_of(MANY[:new]), [])
