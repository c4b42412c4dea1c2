"""Proofs as callers see them."""

from __future__ import annotations

from payflow.domain.proof.inclusion import InclusionProof
from payflow.v1 import ledger_pb2 as pb
from payflow.wire.timestamps import timestamp


def inclusion_proof(proof: InclusionProof) -> pb.InclusionProof:
    """A proof's message."""
    header = proof.block.header
    return pb.InclusionProof(
        transaction_id=proof.transaction_id,
        merchant_id=proof.merchant_id,
        content=proof.content,
        leaf_index=proof.leaf_index,
        audit_path=proof.audit_path,
        block=pb.SealedBlock(
            part=header.part,
            number=header.number,
            header=header.to_bytes(),
            head=proof.block.head,
            signature=proof.block.signature,
            key_id=proof.block.key_id,
            transaction_count=header.transaction_count,
            sealed_at=timestamp(header.sealed_at),
        ),
    )
