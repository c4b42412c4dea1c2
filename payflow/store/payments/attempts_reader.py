"""Reads PSP attempts: those of one intent, and those whose outcome nobody knows yet."""

from __future__ import annotations

from datetime import datetime

from payflow.domain.ids import BUCKETS, bucket_of
from payflow.domain.intent.state import Attempt
from payflow.domain.resources import OpenAttempt
from payflow.store import rows
from payflow.store.database.columns import columns_of
from payflow.store.database.read_pool import ReadPool

# Keys end in the attempt's number; one that ends and the one that follows may begin at the same instant.
OF_INTENT = f"""
    SELECT {columns_of(Attempt, "attempt")}
    FROM psp_attempts AS attempt
    WHERE attempt.merchant_id = %s AND attempt.payment_intent_id = %s
    ORDER BY length(attempt.psp_key), attempt.psp_key
"""

# One descent per bucket, as in due_reader; one merchant's attempts are all in one bucket.
OPEN = f"""
    SELECT found.*
    FROM generate_series(%s::int, %s::int) AS wanted (bucket)
    CROSS JOIN LATERAL (
        SELECT attempt.merchant_id, {columns_of(Attempt, "attempt")}
        FROM psp_attempts AS attempt
        WHERE attempt.bucket = wanted.bucket
          AND attempt.state IN ('RUNNING', 'UNKNOWN', 'ACCEPTED', 'PARKED')
          AND (attempt.merchant_id = %s OR %s = '')
          AND attempt.started_at <= %s
          AND (attempt.started_at, attempt.id) > (%s, %s)
        ORDER BY attempt.started_at, attempt.id
        LIMIT %s
    ) AS found
    ORDER BY found.started_at, found.id
    LIMIT %s
"""


class AttemptsReader:
    """Deadlines are in seconds of time.monotonic."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    def of_intent(self, merchant_id: str, intent_id: str, deadline: float) -> list[Attempt]:
        """Every attempt of an intent, oldest first."""
        return [rows.attempt(row) for row in self._pool.all(OF_INTENT, (merchant_id, intent_id), deadline)]

    def open(
        self, merchant_id: str, until: datetime, after: tuple[datetime, str], limit: int, deadline: float
    ) -> list[OpenAttempt]:
        """Attempts without an outcome that were started by ``until``, oldest first, behind (start, id).

        An empty ``merchant_id`` means every merchant.
        """
        first, last = (bucket_of(merchant_id),) * 2 if merchant_id else (0, BUCKETS - 1)
        parameters = (first, last, merchant_id, merchant_id, until, *after, limit, limit)
        found = self._pool.all(OPEN, parameters, deadline)
        return [OpenAttempt(row["merchant_id"], rows.attempt(row)) for row in found]
