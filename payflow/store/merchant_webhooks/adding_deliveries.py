"""Puts events on their way to merchants' endpoints, inside the transaction of whoever was told of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from payflow.domain.ids import bucket_of
from payflow.domain.merchant_webhooks.delivery import DeliveryState, NewDelivery
from payflow.domain.merchant_webhooks.state import WebhookEndpoint
from payflow.store.commit.loading_webhook_endpoints import ENDPOINTS
from payflow.store.database.statement import DictConnection, columns
from payflow.store.webhook_endpoint_rows import webhook_endpoint

ADD = """
    INSERT INTO webhook_deliveries (
        merchant_id, endpoint_id, id, bucket, event_id, type, object_id, sequence, body, occurred_at, state,
        detail, settled_at, tries, begun_at, due_at)
    SELECT item.*, 0, %s, %s
    FROM unnest(%b::text[], %b::text[], %b::text[], %b::smallint[], %b::text[], %b::text[], %b::text[],
                %b::bigint[], %b::bytea[], %b::timestamptz[], %b::text[], %b::text[], %b::timestamptz[])
        AS item (merchant_id, endpoint_id, id, bucket, event_id, type, object_id, sequence, body, occurred_at,
                 state, detail, settled_at)
    ON CONFLICT (merchant_id, endpoint_id, id) DO NOTHING
"""


def endpoints_of(connection: DictConnection, merchant_ids: Sequence[str]) -> list[WebhookEndpoint]:
    """Every endpoint of these merchants."""
    return [webhook_endpoint(row) for row in connection.execute(ENDPOINTS, [list(merchant_ids)])]


def add(connection: DictConnection, deliveries: Sequence[NewDelivery], now: datetime) -> None:
    """Adds those that are not there yet, due at once."""
    if deliveries:
        rows = [_row(one, now) for one in deliveries]
        connection.execute(ADD, [now, now, *columns(rows)])


def _row(new: NewDelivery, now: datetime) -> tuple[object, ...]:
    return (
        new.merchant_id,
        new.endpoint_id,
        new.id,
        bucket_of(new.merchant_id),
        new.event_id,
        new.type,
        new.object_id,
        new.sequence,
        new.body,
        new.occurred_at,
        new.state,
        new.detail,
        None if new.state is DeliveryState.PENDING else now,
    )
