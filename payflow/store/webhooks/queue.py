"""The inbox of webhooks as workers use it: several of them share what is due, each event in its turn."""

from __future__ import annotations

from datetime import datetime, timedelta

from payflow.domain.ids import BUCKETS
from payflow.domain.webhook import Settlement, Webhook, WebhookState
from payflow.store.database.pool import Pool
from payflow.store.webhook_rows import WHOLE, webhook

# Of each payment only what came first. Nothing of a payment is taken while something before it is open,
# whoever has that: so events are applied in the order in which they came. Only what waits for the payment
# itself lets others pass, one of which may be what it waits for.
TAKE = f"""
    WITH due AS MATERIALIZED (
        SELECT first.*
        FROM generate_series(%s::int, %s::int) AS wanted (bucket)
        CROSS JOIN LATERAL (
            SELECT merchant_id, id, due_at
            FROM webhook_inbox AS one
            WHERE bucket = wanted.bucket AND state = 'PENDING' AND due_at <= %s
              AND (intent_id = '' OR NOT EXISTS (
                  SELECT FROM webhook_inbox AS earlier
                  WHERE earlier.merchant_id = one.merchant_id AND earlier.intent_id = one.intent_id
                    AND earlier.state = 'PENDING' AND NOT (earlier.yields AND earlier.due_at > %s)
                    AND (earlier.received_at, earlier.position, earlier.id)
                        < (one.received_at, one.position, one.id)))
            ORDER BY due_at
            LIMIT %s
        ) AS first
        ORDER BY first.due_at
        LIMIT %s
    ), free AS MATERIALIZED (
        SELECT one.merchant_id, one.id
        FROM due
        JOIN webhook_inbox AS one ON one.merchant_id = due.merchant_id AND one.id = due.id
        WHERE one.state = 'PENDING' AND one.due_at <= %s
        FOR UPDATE OF one SKIP LOCKED
    )
    UPDATE webhook_inbox AS item
    SET tries = item.tries + 1, due_at = %s, yields = false
    FROM free
    WHERE item.merchant_id = free.merchant_id AND item.id = free.id
    RETURNING {WHOLE}
"""

# The number of the try is its fence: who was too slow finds that somebody else has begun another.
SETTLE = """
    UPDATE webhook_inbox
    SET state = %s, detail = %s, due_at = %s, yields = %s, settled_at = %s
    WHERE merchant_id = %s AND id = %s AND state = 'PENDING' AND tries = %s
    RETURNING id
"""

OLDEST = """
    SELECT min(oldest.received_at) AS received_at
    FROM generate_series(%s::int, %s::int) AS wanted (bucket)
    CROSS JOIN LATERAL (
        SELECT received_at
        FROM webhook_inbox
        WHERE bucket = wanted.bucket AND state = 'PENDING'
        ORDER BY id
        LIMIT 1
    ) AS oldest
"""

EVERY_BUCKET = (0, BUCKETS - 1)


class WebhookQueue:
    """What is due at an instant, longest due first. Deadlines are in seconds of time.monotonic."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def take(self, now: datetime, lease: timedelta, limit: int, deadline: float) -> list[Webhook]:
        """Events that are this worker's until the lease ends; then, not settled, they are due again."""
        parameters = (*EVERY_BUCKET, now, now, limit, limit, now, now + lease)
        return [webhook(row) for row in self._pool.all(TAKE, parameters, deadline)]

    def settle(self, taken: Webhook, settlement: Settlement, now: datetime, deadline: float) -> bool:
        """Writes down how a try ended; False where somebody else has begun another meanwhile."""
        waits = settlement.state is WebhookState.PENDING
        parameters = (
            settlement.state,
            settlement.detail,
            settlement.due_at or taken.due_at,
            settlement.yields,
            None if waits else now,
            taken.merchant_id,
            taken.id,
            taken.tries,
        )
        return self._pool.one(SETTLE, parameters, deadline) is not None

    def oldest_received_at(self, deadline: float) -> datetime | None:
        """When the oldest event came that is not settled; None where there is none."""
        row = self._pool.one(OLDEST, EVERY_BUCKET, deadline)
        return row["received_at"] if row else None
