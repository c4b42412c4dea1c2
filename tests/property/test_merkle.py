"""Merkle trees, beside RFC 9162's own definition and the test vectors of its first implementation."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payflow.domain.proof.merkle import audit_path, leaf_hash, root, root_by_path

# Leaves and roots of trees of 1 to 8 of them, from the reference tests of Certificate Transparency.
LEAVES = [
    bytes.fromhex(one)
    for one in (
        *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
        "606162636465666768696a6b6c6d6e6f",
    )
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
TREES = st.lists(st.binary(max_size=4).map(leaf_hash), min_size=1, max_size=70)


def _defined(leaves: list[bytes]) -> bytes:
    """MTH of section 2.1.1, word by word, over the hashes of leaves."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + _defined(leaves[:k]) + _defined(leaves[k:])).digest()


def _defined_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of section 2.1.3.1, word by word."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return [*_defined_path(m, leaves[:k]), _defined(leaves[k:])]
    return [*_defined_path(m - k, leaves[k:]), _defined(leaves[:k])]


@pytest.mark.parametrize("size", range(1, 9))
def test_the_reference_vectors(size: int) -> None:
    assert root([leaf_hash(leaf) for leaf in LEAVES[:size]]).hex() == ROOTS[size - 1]


def test_the_root_of_no_leaves_is_the_hash_of_nothing() -> None:
    assert root([]) == sha256(b"").digest()


@given(TREES, st.data())
def test_roots_and_paths_are_those_of_the_definition(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = audit_path(leaves, index)
    assert root(leaves) == _defined(leaves)
    assert path == _defined_path(index, leaves)
    assert root_by_path(leaves[index], index, len(leaves), path) == root(leaves)


@given(TREES, st.data())
def test_a_path_that_is_changed_leads_elsewhere(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = audit_path(leaves, index)
    wrong = data.draw(
        st.sampled_from(
            [
                [*path, bytes(32)],
                *([path[:-1], [bytes(32), *path[1:]], path[::-1]] if path else []),
            ]
        ).filter(lambda one: one != path)
    )
    assert root_by_path(leaves[index], index, len(leaves), wrong) != root(leaves)
    assert root_by_path(leaves[index], len(leaves), len(leaves), path) is None
    assert root_by_path(leaves[index], -1, len(leaves), path) is None
