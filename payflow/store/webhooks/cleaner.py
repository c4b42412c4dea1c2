"""Deletes webhooks that were settled long ago, in small batches."""

from __future__ import annotations

from datetime import datetime

from payflow.domain.ids import BUCKETS
from payflow.domain.webhook import KEPT_FOR
from payflow.store.database.pool import Pool

DELETE_OLD = """
    DELETE FROM webhook_inbox AS item
    USING (
        SELECT old.*
        FROM generate_series(%s::int, %s::int) AS wanted (bucket)
        CROSS JOIN LATERAL (
            SELECT merchant_id, id
            FROM webhook_inbox
            WHERE bucket = wanted.bucket AND state IN ('APPLIED', 'IGNORED', 'DISCARDED') AND settled_at <= %s
            ORDER BY settled_at
            LIMIT %s
        ) AS old
        LIMIT %s
    ) AS chosen
    WHERE item.merchant_id = chosen.merchant_id AND item.id = chosen.id
      AND item.state IN ('APPLIED', 'IGNORED', 'DISCARDED')
    RETURNING item.id
"""

BATCH_MAX = 500


def delete_old(pool: Pool, now: datetime, deadline: float, batch_max: int = BATCH_MAX) -> int:
    """Deletes at most ``batch_max`` that are older than KEPT_FOR and says how many."""
    parameters = (0, BUCKETS - 1, now - KEPT_FOR, batch_max, batch_max)
    return len(pool.all(DELETE_OLD, parameters, deadline))
