"""Rows of seal_blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from payflow.domain.proof.block import Block, BlockHeader

BLOCK_COLUMNS = """
           block.part, block.number, block.previous_head, block.root, block.transaction_count,
           block.entry_count, block.entries, block.system_identifier, block.xid::text AS xid,
           block.sealed_at, block.head, block.signature, block.key_id
"""


def block_of(row: Sequence[Any]) -> Block:
    """A row of BLOCK_COLUMNS."""
    *header, xid, sealed_at, head, signature, key_id = row
    fields = [*header, int(xid), sealed_at]
    return Block(BlockHeader(*fields), head, signature, key_id)
