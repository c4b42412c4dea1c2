"""Merkle trees as RFC 9162 (Certificate Transparency 2.0) defines them in section 2.1, over SHA-256.

Leaves are given by their hashes. A tree of n leaves splits at the largest power of two below n, which is the
same as pairing neighbours level by level and taking one that is left over up as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

LEAF = b"\x00"
NODE = b"\x01"


def leaf_hash(content: bytes) -> bytes:
    """The hash of a leaf."""
    return sha256(LEAF + content).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The hash of a tree; that of an empty one is of nothing."""
    if not leaves:
        return sha256(b"").digest()
    level = leaves
    while len(level) > 1:
        level = _next_level(level)
    return level[0]


def audit_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The hashes that lead from the leaf at ``index`` to the root, nearest first (section 2.1.3.1)."""
    path = []
    level = leaves
    while len(level) > 1:
        neighbour = index ^ 1
        if neighbour < len(level):
            path.append(level[neighbour])
        level, index = _next_level(level), index // 2
    return path


def root_by_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that a path leads to (section 2.1.3.2); None where it is not one of a tree of that size."""
    if not 0 <= index < size:
        return None
    node, last = leaf, size - 1
    for neighbour in path:
        if last == 0:
            return None
        if index % 2 or index == last:
            node = sha256(NODE + neighbour + node).digest()
            while not index % 2:
                index, last = index // 2, last // 2
        else:
            node = sha256(NODE + node + neighbour).digest()
        index, last = index // 2, last // 2
    return node if last == 0 else None


def _next_level(level: Sequence[bytes]) -> list[bytes]:
    above = [
        sha256(NODE + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)
    ]
    if len(level) % 2:
        above.append(level[-1])
    return above
