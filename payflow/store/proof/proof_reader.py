"""Reads what proves that a transaction is in the sealed ledger."""

from __future__ import annotations

from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.proof.canonical import EntryRow, TransactionRow, canonical
from payflow.domain.proof.inclusion import InclusionProof
from payflow.domain.proof.merkle import audit_path
from payflow.store.database.read_pool import ReadPool
from payflow.store.proof.blocks import BLOCK_COLUMNS, block_of

SEALED = f"""
    SELECT {BLOCK_COLUMNS}, sealed.position
    FROM sealed_transactions AS sealed
    JOIN seal_blocks AS block ON block.part = sealed.part AND block.number = sealed.number
    WHERE sealed.merchant_id = %s AND sealed.transaction_id = %s
"""

LEAVES = "SELECT leaf FROM sealed_transactions WHERE part = %s AND number = %s ORDER BY position"

TRANSACTION = """
    SELECT merchant_id, id, entry_count, status <> 'POSTED' AS is_hold, reference, effective_at, expires_at,
           resolves_transaction_id, reverses_transaction_id, recorded_at
    FROM transactions
    WHERE merchant_id = %s AND id = %s
"""

ENTRIES = """
    SELECT position, account_version, amount, posted_after, pending_debits_after, pending_credits_after,
           releases, recorded_at, layer, currency, account_id
    FROM entries
    WHERE merchant_id = %s AND transaction_id = %s
    ORDER BY position
"""


class ProofReader:
    """Deadlines are in seconds of time.monotonic."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    def inclusion_proof(
        self, merchant_id: str, transaction_id: str, deadline: float
    ) -> InclusionProof | None:
        """The proof; None where no such transaction is sealed.

        Raises INTERNAL where the rows are not what was sealed: `payflow verify` says what they are instead.
        """
        scope = (merchant_id, transaction_id)
        with self._pool.instant(deadline) as ask:
            found, transactions, entries = ask(SEALED, scope), ask(TRANSACTION, scope), ask(ENTRIES, scope)
            if not found or not transactions:
                return None
            *block_columns, position = found[0].values()
            block = block_of(block_columns)
            leaves = [row["leaf"] for row in ask(LEAVES, (block.header.part, block.header.number))]
        proof = InclusionProof(
            merchant_id,
            transaction_id,
            canonical(TransactionRow(**transactions[0]), [EntryRow(**entry) for entry in entries]),
            position,
            audit_path(leaves, position),
            block,
        )
        if not proof.holds:
            raise PayFlowError(Reason.INTERNAL, "the ledger is not what was sealed", subject=transaction_id)
        return proof
