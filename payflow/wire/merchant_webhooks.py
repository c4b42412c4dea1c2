"""Webhook endpoints and deliveries as callers see them."""

from __future__ import annotations

from payflow.domain.merchant_webhooks.delivery import DeliveryRecord, DeliveryState
from payflow.domain.merchant_webhooks.state import WebhookEndpoint
from payflow.v1 import webhook_endpoint_pb2 as pb
from payflow.wire.timestamps import timestamp


def endpoint(value: WebhookEndpoint) -> pb.WebhookEndpoint:
    """An endpoint's message."""
    message = pb.WebhookEndpoint(
        id=value.id,
        merchant_id=value.merchant_id,
        url=value.url,
        description=value.description,
        event_types=value.event_types,
        status=pb.WebhookEndpointStatus.Value(f"WEBHOOK_ENDPOINT_STATUS_{value.status}"),
        secret_rotated_at=timestamp(value.secret_rotated_at),
        version=value.version,
        created_at=timestamp(value.created_at),
        updated_at=timestamp(value.updated_at),
    )
    if value.disabled_reason is not None:
        message.disabled_reason = pb.WebhookEndpointDisabledReason.Value(
            f"WEBHOOK_ENDPOINT_DISABLED_REASON_{value.disabled_reason}"
        )
    return message


def delivery(value: DeliveryRecord) -> pb.WebhookDelivery:
    """A delivery's message."""
    waits = value.state is DeliveryState.PENDING
    return pb.WebhookDelivery(
        id=value.id,
        endpoint_id=value.endpoint_id,
        event_id=value.event_id,
        type=value.type,
        object_id=value.object_id,
        sequence=value.sequence,
        state=pb.WebhookDeliveryState.Value(f"WEBHOOK_DELIVERY_STATE_{value.state}"),
        tries=value.tries,
        response_status=value.response_status or 0,
        detail=value.detail,
        occurred_at=timestamp(value.occurred_at),
        tried_at=timestamp(value.tried_at),
        due_at=timestamp(value.due_at if waits else None),
        settled_at=timestamp(value.settled_at),
    )
