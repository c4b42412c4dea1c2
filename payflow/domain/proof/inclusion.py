"""The proof that a transaction is in a block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from payflow.domain.proof.block import Block
from payflow.domain.proof.merkle import leaf_hash, root_by_path


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """A transaction's canonical bytes, and the hashes from its leaf to the root of its block's tree."""

    merchant_id: str
    transaction_id: str
    content: bytes
    leaf_index: int
    audit_path: Sequence[bytes]
    block: Block

    @property
    def holds(self) -> bool:
        """Whether the path leads from the content to the block's root; says nothing of the signature."""
        header = self.block.header
        leaf = leaf_hash(self.content)
        reached = root_by_path(leaf, self.leaf_index, header.transaction_count, self.audit_path)
        return reached == header.root and header.head == self.block.head
