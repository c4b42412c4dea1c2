"""Looks idempotency keys up without the writer's help."""

from __future__ import annotations

from datetime import datetime

from payflow.domain.folding.submission import IdempotencyClaim
from payflow.store.database.read_pool import ReadPool

ANSWERED_KEY = """
    SELECT request_hash, response
    FROM idempotency_keys
    WHERE merchant_id = %s AND key = %s AND response IS NOT NULL AND expires_at > %s
"""


class KeysReader:
    """Answers duplicates where they would otherwise have to wait for a place at a PSP."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    def response(
        self, merchant_id: str, claim: IdempotencyClaim, now: datetime, deadline: float
    ) -> bytes | None:
        """The stored response of exactly this request; None when the commit pipeline has to decide."""
        row = self._pool.one(ANSWERED_KEY, (merchant_id, claim.key, now), deadline)
        return row["response"] if row and row["request_hash"] == claim.request_hash else None
