"""Checks that a transaction is in PayFlow's sealed ledger. Needs nothing of PayFlow.

    python verify_inclusion.py proof.json ledger-key.pub

docs/proof.md specifies the bytes. Only the signature needs a package: `pip install cryptography`.
"""

import base64
import json
import struct
import sys
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_public_key

BLOCK = struct.Struct(">16sHQ32s32sIIQqQq")
NUMBERS = (16, 20, 21, 1184)  # PostgreSQL's boolean, int8, int2 and timestamptz; the others are bytes


def require(condition, otherwise):
    if not condition:
        sys.exit(f"REFUSED: {otherwise}")


def records(content):
    """The values of each record: how many, then for each a type, a length (-1: none) and its bytes."""
    at = 0
    while at < len(content):
        (count,), values, at = struct.unpack_from(">i", content, at), [], at + 4
        for _ in range(count):
            kind, length = struct.unpack_from(">ii", content, at)
            raw, at = content[at + 8 : at + 8 + max(length, 0)], at + 8 + max(length, 0)
            values.append(int.from_bytes(raw, "big", signed=True) if kind in NUMBERS else raw)
        yield values


def root(node, index, size, path):
    """Where a path leads from a leaf: RFC 9162, section 2.1.3.2."""
    require(0 <= index < size, "the leaf is not in the tree")
    last = size - 1
    for neighbour in path:
        require(last > 0, "the path is too long")
        if index % 2 or index == last:
            node = sha256(b"\x01" + neighbour + node).digest()
            while index and not index % 2:
                index, last = index // 2, last // 2
        else:
            node = sha256(b"\x01" + node + neighbour).digest()
        index, last = index // 2, last // 2
    require(last == 0, "the path is too short")
    return node


def main(proof_file, key_file):
    proof = json.loads(Path(proof_file).read_bytes())
    block, key = proof["block"], load_pem_public_key(Path(key_file).read_bytes())
    coded = (proof["content"], block["header"], block["signature"], *proof["audit_path"])
    content, header, signature, *path = (base64.b64decode(one, validate=True) for one in coded)
    version, part, number, _, tree, size, *_ = BLOCK.unpack(header)
    require(version == b"payflow.block.v1", "not a block's header")
    leaf = sha256(b"\x00" + content).digest()
    require(root(leaf, proof["leaf_index"], size, path) == tree, "the transaction is not in the block")
    key.verify(signature, sha256(header).digest())  # raises InvalidSignature

    [(kind, merchant, name, *_, entries)] = records(content)
    require(kind == b"payflow.transaction.v1", "not a transaction")
    print(f"{name.decode()} of {merchant.decode()} is in block {number} of chain {part}:")
    for _, _, amount, *_, layer, currency, account in records(entries):
        print(f"{amount:>14} {currency.decode()} {layer.decode():<7} {account.decode()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
