"""Merchants' webhook endpoints and deliveries as servers use them: shows them, and has some sent again."""

from __future__ import annotations

import time
from datetime import datetime
from functools import cached_property

from payflow.domain.merchant_webhooks import signing
from payflow.domain.merchant_webhooks.delivery import DeliveryRecord, DeliveryState, ids_from
from payflow.domain.merchant_webhooks.state import WebhookEndpoint
from payflow.store.database.columns import columns_of
from payflow.store.database.pool import Pool
from payflow.store.rows import Row
from payflow.store.webhook_endpoint_rows import webhook_endpoint

ENDPOINT = f"""
    SELECT {columns_of(WebhookEndpoint, "endpoint")}
    FROM webhook_endpoints AS endpoint
    WHERE merchant_id = %s AND id = %s
"""

# Ids are time-ordered.
ENDPOINTS = f"""
    SELECT {columns_of(WebhookEndpoint, "endpoint")}
    FROM webhook_endpoints AS endpoint
    WHERE merchant_id = %s
    ORDER BY id
"""

KEY = "SELECT webhook_key FROM installation"

DELIVERIES = f"""
    SELECT {columns_of(DeliveryRecord, "item")}
    FROM webhook_deliveries AS item
    WHERE merchant_id = %s AND endpoint_id = %s AND id < %s AND (%s = '' OR state = %s)
    ORDER BY id DESC
    LIMIT %s
"""
# As texts of their own: the index of open ones is for their states alone.
OPEN = {
    state: f"""
    SELECT {columns_of(DeliveryRecord, "item")}
    FROM webhook_deliveries AS item
    WHERE merchant_id = %s AND endpoint_id = %s AND id < %s AND state = '{state}'
    ORDER BY id DESC
    LIMIT %s
    """
    for state in (DeliveryState.PENDING, DeliveryState.FAILED)
}

DELIVERY = f"""
    SELECT {columns_of(DeliveryRecord, "item")}
    FROM webhook_deliveries AS item
    WHERE merchant_id = %s AND endpoint_id = %s AND id = %s
"""

# Whoever repeats a request with its key must not have it sent once more.
REDELIVER = f"""
    UPDATE webhook_deliveries AS item
    SET state = 'PENDING', tries = 0, begun_at = %s, due_at = %s, requested_by = %s, detail = '',
        settled_at = NULL
    WHERE merchant_id = %s AND endpoint_id = %s AND id = %s AND state <> 'PENDING' AND requested_by <> %s
    RETURNING {columns_of(DeliveryRecord, "item")}
"""

REDELIVER_FAILED = """
    UPDATE webhook_deliveries AS item
    SET state = 'PENDING', tries = 0, begun_at = %s, due_at = %s, requested_by = %s, detail = '',
        settled_at = NULL
    FROM (
        SELECT merchant_id, endpoint_id, id
        FROM webhook_deliveries
        WHERE merchant_id = %s AND endpoint_id = %s AND state = 'FAILED' AND id >= %s AND occurred_at >= %s
        ORDER BY id
        LIMIT %s
    ) AS failed
    WHERE item.merchant_id = failed.merchant_id AND item.endpoint_id = failed.endpoint_id
      AND item.id = failed.id AND item.state = 'FAILED'
    RETURNING item.id
"""

# Behind every id: ids are lower-case ASCII.
NEWEST = "\x7f"
KEY_TIMEOUT_S = 5.0


class MerchantWebhooks:
    """Fulfils payflow.commands.webhook_ports.MerchantWebhooks. Deadlines are in seconds of time.monotonic."""

    def __init__(self, reads: Pool, writes: Pool) -> None:
        self._reads = reads
        self._writes = writes

    def endpoint(self, merchant_id: str, endpoint_id: str, deadline: float) -> WebhookEndpoint | None:
        """One endpoint, or None."""
        row = self._reads.one(ENDPOINT, (merchant_id, endpoint_id), deadline)
        return webhook_endpoint(row) if row else None

    def endpoints(self, merchant_id: str, deadline: float) -> list[WebhookEndpoint]:
        """All of a merchant's, oldest first."""
        return [webhook_endpoint(row) for row in self._reads.all(ENDPOINTS, (merchant_id,), deadline)]

    @cached_property
    def master_key(self) -> bytes:
        """What endpoints' secrets are derived from; the same for the life of the installation."""
        row = self._reads.one(KEY, (), time.monotonic() + KEY_TIMEOUT_S)
        assert row is not None
        return bytes(row["webhook_key"])

    def secret(self, endpoint: WebhookEndpoint) -> str:
        """The current secret of an endpoint."""
        return signing.secret(self.master_key, endpoint.id, endpoint.secret_generation)

    def deliveries(
        self,
        endpoint: WebhookEndpoint,
        state: DeliveryState | None,
        before: str,
        limit: int,
        deadline: float,
    ) -> list[DeliveryRecord]:
        """Deliveries, newest first, older than the one with id ``before`` (empty: from the newest)."""
        where = (endpoint.merchant_id, endpoint.id, before or NEWEST)
        if state in OPEN:
            found = self._reads.all(OPEN[state], (*where, limit), deadline)
        else:
            found = self._reads.all(DELIVERIES, (*where, state or "", state or "", limit), deadline)
        return [_delivery(row) for row in found]

    def redeliver(
        self, endpoint: WebhookEndpoint, delivery_id: str, key: str, now: datetime, deadline: float
    ) -> DeliveryRecord | None:
        """Has one sent again, once for each ``key``, unless it waits already. None where there is none."""
        where = (endpoint.merchant_id, endpoint.id, delivery_id)
        row = self._writes.one(REDELIVER, (now, now, key, *where, key), deadline)
        row = row or self._reads.one(DELIVERY, where, deadline)
        return _delivery(row) if row else None

    def redeliver_failed(
        self,
        endpoint: WebhookEndpoint,
        since: datetime,
        key: str,
        now: datetime,
        limit: int,
        deadline: float,
    ) -> int:
        """Has those that failed of events since an instant sent again, oldest first, and says how many."""
        where = (endpoint.merchant_id, endpoint.id, ids_from(since), since, limit)
        return len(self._writes.all(REDELIVER_FAILED, (now, now, key, *where), deadline))


def _delivery(row: Row) -> DeliveryRecord:
    values = {name: row[name] for name in DeliveryRecord.__match_args__}
    values["state"] = DeliveryState(row["state"])
    return DeliveryRecord(**values)
