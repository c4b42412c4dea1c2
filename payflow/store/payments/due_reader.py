"""Finds what background work is due. Each statement walks one partial index, bucket by bucket."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from payflow.domain.ids import BUCKETS
from payflow.store.database.read_pool import ReadPool

# One descent per bucket: the index leads with it, so that workers and shards can divide the buckets.
DUE_ATTEMPTS = """
    SELECT due.*
    FROM generate_series(%s::int, %s::int) AS wanted (bucket)
    CROSS JOIN LATERAL (
        SELECT merchant_id, payment_intent_id, id, fence, due_at
        FROM psp_attempts
        WHERE bucket = wanted.bucket AND state IN ('RUNNING', 'UNKNOWN', 'ACCEPTED') AND due_at <= %s
        ORDER BY due_at
        LIMIT %s
    ) AS due
    ORDER BY due.due_at
    LIMIT %s
"""

EXPIRED_AUTHORIZATIONS = """
    SELECT due.*
    FROM generate_series(%s::int, %s::int) AS wanted (bucket)
    CROSS JOIN LATERAL (
        SELECT merchant_id, id, authorization_expires_at
        FROM payment_intents
        WHERE bucket = wanted.bucket AND status = 'AUTHORIZED' AND authorization_expires_at <= %s
          AND (updated_at < authorization_expires_at OR updated_at <= %s)
        ORDER BY authorization_expires_at
        LIMIT %s
    ) AS due
    ORDER BY due.authorization_expires_at
    LIMIT %s
"""

EXPIRED_HOLDS = """
    SELECT due.*
    FROM generate_series(%s::int, %s::int) AS wanted (bucket)
    CROSS JOIN LATERAL (
        SELECT merchant_id, id, expires_at
        FROM transactions
        WHERE bucket = wanted.bucket AND status = 'PENDING' AND expires_at <= %s
        ORDER BY expires_at
        LIMIT %s
    ) AS due
    ORDER BY due.expires_at
    LIMIT %s
"""

EXPIRY_RETRY = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class DueAttempt:
    """An attempt whose lease or wait has run out."""

    merchant_id: str
    payment_intent_id: str
    id: str
    fence: int


class DueReader:
    """What is due at an instant, oldest first."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    def attempts(self, now: datetime, limit: int, deadline: float) -> list[DueAttempt]:
        """PSP attempts to take over."""
        found = self._pool.all(DUE_ATTEMPTS, (0, BUCKETS - 1, now, limit, limit), deadline)
        return [
            DueAttempt(row["merchant_id"], row["payment_intent_id"], row["id"], row["fence"]) for row in found
        ]

    def expired_authorizations(self, now: datetime, limit: int, deadline: float) -> list[tuple[str, str]]:
        """Merchant and intent ids of authorizations that ran out; one that failed waits for its next try."""
        parameters = (0, BUCKETS - 1, now, now - EXPIRY_RETRY, limit, limit)
        found = self._pool.all(EXPIRED_AUTHORIZATIONS, parameters, deadline)
        return [(row["merchant_id"], row["id"]) for row in found]

    def expired_holds(self, now: datetime, limit: int, deadline: float) -> list[tuple[str, str]]:
        """Merchant and transaction ids of callers' holds that have lapsed."""
        found = self._pool.all(EXPIRED_HOLDS, (0, BUCKETS - 1, now, limit, limit), deadline)
        return [(row["merchant_id"], row["id"]) for row in found]
