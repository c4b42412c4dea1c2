"""Deletes idempotency keys that have expired, in small batches, away from the writer."""

from __future__ import annotations

from datetime import datetime

import psycopg

from payflow.domain.ids import BUCKETS

DELETE_EXPIRED = """
    DELETE FROM idempotency_keys AS stored
    USING (
        SELECT expired.*
        FROM generate_series(%s::int, %s::int) AS wanted (bucket)
        CROSS JOIN LATERAL (
            SELECT merchant_id, key
            FROM idempotency_keys
            WHERE bucket = wanted.bucket AND expires_at <= %s
            ORDER BY expires_at
            LIMIT %s
        ) AS expired
        LIMIT %s
    ) AS chosen
    WHERE stored.merchant_id = chosen.merchant_id AND stored.key = chosen.key AND stored.expires_at <= %s
"""

# However many keys there are, the few that are chosen are looked up one by one.
SESSION = "SELECT set_config('enable_hashjoin', 'off', false), set_config('enable_mergejoin', 'off', false)"

BATCH_MAX = 500
CONNECT_TIMEOUT_S = 3


def delete_expired(conninfo: str, now: datetime, batch_max: int = BATCH_MAX) -> int:
    """Deletes at most ``batch_max`` keys and says how many. Raises psycopg.Error."""
    with psycopg.connect(conninfo, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S) as connection:
        connection.execute(SESSION)
        parameters = (0, BUCKETS - 1, now, batch_max, batch_max, now)
        return connection.execute(DELETE_EXPIRED, parameters).rowcount
