"""The tree, held against RFC 6962's definition and against public roots and proofs."""

import base64
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiosk.ledger.tree import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    consistent,
    included,
    inclusion_length,
    inclusion_proof,
    leaf_hash,
    root_hash,
)

# The eight leaves of the Certificate Transparency tests and their roots (transparency-dev/merkle testdata, Apache-2.0).
LEAVES = [
    leaf_hash(bytes.fromhex(leaf))
    for leaf in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def b64(*texts):
    return [base64.b64decode(text) for text in texts]


def mth(leaves):
    """MTH as RFC 6962 §2.1 defines it, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + mth(leaves[:split]) + mth(leaves[split:])).digest()


@pytest.mark.parametrize("size", range(9))
def test_the_public_roots(size):
    assert root_hash(LEAVES[:size]).hex() == ROOTS[size]


def test_a_public_consistency_proof():
    # consistency/3/happy-path.json: 2 → 5
    first, second = b64("+sVCA+fMaWzw38tCySodnbr3CtnmIfS9jZhmLwDjwSU=", "Tju7H3tHjc/nH7YxYxUZo7yhLJrvyhYSv85ME6hiZNQ=")
    proof = b64("Xwg/ChozygdqlSeYMlgNs+DvRYS9/x9UyKNg9Q3jAx4=", "vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms=")
    assert consistent(2, first, 5, second, proof)
    assert list(consistency_proof(LEAVES, 2, 5)) == proof
    assert not consistent(2, second, 5, first, proof)
    assert not consistent(2, first, 5, second, [])
    assert not consistent(2, first, 5, second, [*proof, proof[0]])


@pytest.mark.parametrize(
    ("index", "size", "proof"),
    [  # inclusion/1 to 3, happy-path.json, of the same source
        (
            0,
            8,
            [
                "lqKW0iTyhcZ77pPDD4owkVfw2qNdxbh+QQt4YwoJz8c=",
                "Xwg/ChozygdqlSeYMlgNs+DvRYS9/x9UyKNg9Q3jAx4=",
                "a0eq8p7jwq+a+Im8H7klTavTEXfxYjLdaqsDXKOb9uQ=",
            ],
        ),
        (
            5,
            8,
            [
                "vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms=",
                "yoVOoSjtBQtBs1/8G4e46yveRh6eO1WW7Oa51ZdaCuA=",
                "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc=",
            ],
        ),
        (2, 3, ["+sVCA+fMaWzw38tCySodnbr3CtnmIfS9jZhmLwDjwSU="]),
    ],
)
def test_the_public_inclusion_proofs(index, size, proof):
    root, hashes = bytes.fromhex(ROOTS[size]), b64(*proof)
    assert list(inclusion_proof(LEAVES, index, size)) == hashes
    assert included(index, size, LEAVES[index], hashes, root)
    assert not included(index, size, LEAVES[index], hashes[::-1], root) or len(hashes) == 1
    for wrong in (index ^ 1, index ^ 2, index + size):  # leafIdx-XOR-@2.json and its like
        assert not included(wrong, size, LEAVES[index], hashes, root)
    assert not included(index, 2 * size, LEAVES[index], hashes, root)
    assert not included(index, size, LEAVES[index], [*hashes, b""], root)  # trailing-garbage.json


@given(st.integers(1, 70))
@settings(max_examples=40)
def test_roots_are_those_of_the_definition(size):
    leaves = [leaf_hash(bytes([at])) for at in range(size)]
    frontier = Frontier()
    for at, leaf in enumerate(leaves):
        assert frontier.root() == (mth(leaves[:at]) if at else EMPTY_ROOT)
        frontier.append(leaf)
    assert frontier.root() == mth(leaves) and frontier.size == size


def test_every_inclusion_proof_up_to_40_leaves_holds_and_only_for_its_leaf():
    leaves = [leaf_hash(bytes([at])) for at in range(40)]
    for size in range(1, 41):
        root = root_hash(leaves[:size])
        for at in range(size):
            proof = inclusion_proof(leaves, at, size)
            assert len(proof) == inclusion_length(at, size)
            assert included(at, size, leaves[at], proof, root)
            assert not included(at, size, leaves[at - 1], proof, root) or size == 1
            assert not included(at, size, leaves[at], proof[:-1], root) or size == 1
            assert not included(at, size, leaves[at], (*proof, root), root)


def test_every_consistency_proof_up_to_40_leaves_holds_and_only_for_its_roots():
    leaves = [leaf_hash(bytes([at])) for at in range(40)]
    roots = [root_hash(leaves[:size]) for size in range(41)]
    for second in range(1, 41):
        for first in range(1, second + 1):
            proof = consistency_proof(leaves, first, second)
            assert consistent(first, roots[first], second, roots[second], proof)
            assert not consistent(first, roots[first - 1], second, roots[second], proof)
            assert not consistent(first, roots[first], second, roots[second - 1], proof)
            assert not consistent(first, roots[first], second, roots[second], (*proof, roots[1]))


def test_the_peaks_are_the_next_leafs_proof():
    leaves = [leaf_hash(bytes([at])) for at in range(100)]
    frontier = Frontier()
    for at, leaf in enumerate(leaves):
        assert tuple(reversed(frontier.peaks)) == inclusion_proof(leaves, at, at + 1)
        frontier.append(leaf)


def test_a_copy_grows_by_itself():
    frontier = Frontier(LEAVES[:3])
    twin = frontier.copy()
    twin.append(LEAVES[3])
    assert (frontier.size, frontier.root().hex()) == (3, ROOTS[3])
    assert (twin.size, twin.root().hex()) == (4, ROOTS[4])


def test_nothing_is_proved_of_an_empty_tree_or_by_empty_hashes():
    assert not consistent(0, EMPTY_ROOT, 1, LEAVES[0], [])
    assert not consistent(0, EMPTY_ROOT, 0, EMPTY_ROOT, [])
    assert not included(0, 1, b"", [], b"")
    with pytest.raises(ValueError):
        inclusion_proof(LEAVES, 8, 8)
    with pytest.raises(ValueError):
        consistency_proof(LEAVES, 0, 8)
