"""Deliveries to merchants' endpoints as workers use them: several share what is due, endpoint by endpoint."""

from __future__ import annotations

from datetime import datetime, timedelta

from payflow.domain.ids import BUCKETS, bucket_of
from payflow.domain.merchant_webhooks.delivery import Answer, DeliveryState, TakenDelivery
from payflow.domain.merchant_webhooks.state import WebhookEndpoint
from payflow.store.database.columns import columns_of
from payflow.store.database.pool import Pool
from payflow.store.rows import Row
from payflow.store.webhook_endpoint_rows import webhook_endpoint

# From one endpoint with something waiting to the next, by one descent each, so that none of them keeps others
# from being found. An endpoint that refuses is tried with one delivery at a time, and not while it rests. Of
# each object only what comes first: nothing overtakes what waits for its next try. Merchants that are being
# sent least come first, so that one whose endpoints are slow waits for itself.
TAKE = f"""
    WITH RECURSIVE waiting AS (
        SELECT first.*
        FROM generate_series(%s::int, %s::int) AS wanted (bucket)
        CROSS JOIN LATERAL (
            SELECT bucket, merchant_id, endpoint_id
            FROM webhook_deliveries
            WHERE bucket = wanted.bucket AND state = 'PENDING'
            ORDER BY merchant_id, endpoint_id
            LIMIT 1
        ) AS first
        UNION ALL
        SELECT following.*
        FROM waiting
        CROSS JOIN LATERAL (
            SELECT bucket, merchant_id, endpoint_id
            FROM webhook_deliveries
            WHERE bucket = waiting.bucket AND state = 'PENDING'
              AND (merchant_id, endpoint_id) > (waiting.merchant_id, waiting.endpoint_id)
            ORDER BY merchant_id, endpoint_id
            LIMIT 1
        ) AS following
    ), candidate AS (
        SELECT first.*, coalesce(refusals.failures, 0) AS failures,
               sending.by_merchant + row_number() OVER (
                   PARTITION BY first.merchant_id ORDER BY first.due_at) AS place
        FROM waiting
        LEFT JOIN webhook_refusals AS refusals USING (merchant_id, endpoint_id)
        CROSS JOIN LATERAL (
            SELECT count(*) AS by_merchant,
                   count(*) FILTER (WHERE endpoint_id = waiting.endpoint_id) AS by_endpoint
            FROM webhook_deliveries
            WHERE merchant_id = waiting.merchant_id AND leased_until > %s
        ) AS sending
        CROSS JOIN LATERAL (
            SELECT merchant_id, endpoint_id, id, due_at
            FROM webhook_deliveries AS one
            WHERE bucket = waiting.bucket AND state = 'PENDING' AND merchant_id = waiting.merchant_id
              AND endpoint_id = waiting.endpoint_id AND due_at <= %s
              AND NOT EXISTS (
                  SELECT FROM webhook_deliveries AS earlier
                  WHERE earlier.merchant_id = one.merchant_id AND earlier.endpoint_id = one.endpoint_id
                    AND earlier.object_id = one.object_id AND earlier.state = 'PENDING'
                    AND earlier.sequence < one.sequence)
            ORDER BY due_at
            LIMIT greatest(
                0, CASE WHEN refusals.failures IS NULL THEN %s::int ELSE 1 END - sending.by_endpoint)
        ) AS first
        WHERE refusals.rests_until IS NULL OR refusals.rests_until <= %s
    ), due AS MATERIALIZED (
        SELECT merchant_id, endpoint_id, id, failures
        FROM candidate
        WHERE place <= %s
        ORDER BY place, due_at
        LIMIT %s
    ), free AS MATERIALIZED (
        SELECT one.merchant_id, one.endpoint_id, one.id, due.failures
        FROM due
        JOIN webhook_deliveries AS one USING (merchant_id, endpoint_id, id)
        WHERE one.state = 'PENDING' AND one.due_at <= %s
        FOR UPDATE OF one SKIP LOCKED
    ), taken AS (
        UPDATE webhook_deliveries AS item
        SET tries = item.tries + 1, due_at = %s, leased_until = %s, tried_at = %s
        FROM free
        WHERE item.merchant_id = free.merchant_id AND item.endpoint_id = free.endpoint_id
          AND item.id = free.id
        RETURNING item.id AS delivery_id, item.merchant_id AS owner_id, item.endpoint_id, item.object_id,
                  item.type, item.body, item.tries, item.begun_at, item.leased_until, free.failures
    )
    SELECT taken.*, {columns_of(WebhookEndpoint, "endpoint")}
    FROM taken
    LEFT JOIN webhook_endpoints AS endpoint
        ON endpoint.merchant_id = taken.owner_id AND endpoint.id = taken.endpoint_id
"""

# The number of the try is its fence: who was too slow finds that somebody else has begun another.
SETTLE = """
    UPDATE webhook_deliveries
    SET state = %s, due_at = %s, settled_at = %s, response_status = %s, detail = %s, leased_until = NULL
    WHERE merchant_id = %s AND endpoint_id = %s AND id = %s AND state = 'PENDING' AND tries = %s
    RETURNING id
"""

ACCEPTED = "DELETE FROM webhook_refusals WHERE merchant_id = %s AND endpoint_id = %s RETURNING endpoint_id"

REFUSED = """
    INSERT INTO webhook_refusals (
        merchant_id, endpoint_id, failures, failing_since, rests_until)
    VALUES (%s, %s, 1, %s, %s)
    ON CONFLICT (merchant_id, endpoint_id) DO UPDATE
    SET failures = webhook_refusals.failures + 1,
        rests_until = greatest(webhook_refusals.rests_until, excluded.rests_until)
    RETURNING failing_since
"""

# What is being sent is left to whoever sends it.
ABANDON = """
    UPDATE webhook_deliveries AS item
    SET state = 'FAILED', settled_at = %s, detail = %s, leased_until = NULL
    FROM (
        SELECT merchant_id, endpoint_id, id
        FROM webhook_deliveries
        WHERE bucket = %s AND state = 'PENDING' AND merchant_id = %s AND endpoint_id = %s
          AND (leased_until IS NULL OR leased_until <= %s)
        ORDER BY due_at
        LIMIT %s
    ) AS waiting
    WHERE item.merchant_id = waiting.merchant_id AND item.endpoint_id = waiting.endpoint_id
      AND item.id = waiting.id AND item.state = 'PENDING'
      AND (item.leased_until IS NULL OR item.leased_until <= %s)
    RETURNING item.id
"""

EVERY_BUCKET = (0, BUCKETS - 1)
ABANDONED_MAX = 1_000


class DeliveryQueue:
    """What is due at an instant. Deadlines are in seconds of time.monotonic."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def take(
        self,
        now: datetime,
        lease: timedelta,
        per_endpoint_max: int,
        per_merchant_max: int,
        limit: int,
        deadline: float,
    ) -> list[TakenDelivery]:
        """Deliveries that are this worker's until the lease ends; then, not settled, they are due again.

        No endpoint is sent more than ``per_endpoint_max`` at a time, by all workers together, and no merchant
        more than ``per_merchant_max``.
        """
        until = now + lease
        most = (per_endpoint_max, now, per_merchant_max, limit)
        parameters = (*EVERY_BUCKET, now, now, *most, now, until, until, now)
        return [_taken(row) for row in self._pool.all(TAKE, parameters, deadline)]

    def delivered(self, taken: TakenDelivery, answer: Answer, now: datetime, deadline: float) -> bool:
        """The endpoint took it in; False where somebody else has begun another try meanwhile."""
        settled = self._settle(taken, DeliveryState.DELIVERED, answer, now, now, deadline)
        if settled and taken.failures:
            self._pool.all(ACCEPTED, (taken.merchant_id, taken.endpoint_id), deadline)
        return settled

    def put_off(self, taken: TakenDelivery, answer: Answer, due_at: datetime, deadline: float) -> bool:
        """It is to be sent again; False as in ``delivered``."""
        return self._settle(taken, DeliveryState.PENDING, answer, due_at, None, deadline)

    def failed(self, taken: TakenDelivery, answer: Answer, now: datetime, deadline: float) -> bool:
        """It is given up; False as in ``delivered``."""
        return self._settle(taken, DeliveryState.FAILED, answer, now, now, deadline)

    def refused(
        self, taken: TakenDelivery, now: datetime, rests_until: datetime, deadline: float
    ) -> datetime:
        """Lets the endpoint rest, and says since when it has refused everything."""
        parameters = (taken.merchant_id, taken.endpoint_id, now, rests_until)
        row = self._pool.one(REFUSED, parameters, deadline)
        assert row is not None
        failing_since: datetime = row["failing_since"]
        return failing_since

    def abandon(self, merchant_id: str, endpoint_id: str, detail: str, now: datetime, deadline: float) -> int:
        """Gives up what waits for an endpoint, ABANDONED_MAX at most, and says how many there were."""
        where = (bucket_of(merchant_id), merchant_id, endpoint_id, now, ABANDONED_MAX)
        return len(self._pool.all(ABANDON, (now, detail, *where, now), deadline))

    def _settle(
        self,
        taken: TakenDelivery,
        state: DeliveryState,
        answer: Answer,
        due_at: datetime,
        settled_at: datetime | None,
        deadline: float,
    ) -> bool:
        parameters = (
            state,
            due_at,
            settled_at,
            answer.status,
            answer.detail,
            taken.merchant_id,
            taken.endpoint_id,
            taken.id,
            taken.tries,
        )
        return self._pool.one(SETTLE, parameters, deadline) is not None


def _taken(row: Row) -> TakenDelivery:
    return TakenDelivery(
        row["delivery_id"],
        row["owner_id"],
        row["endpoint_id"],
        row["object_id"],
        row["type"],
        row["body"],
        row["tries"],
        row["begun_at"],
        row["leased_until"],
        row["failures"],
        webhook_endpoint(row) if row["id"] else None,
    )
