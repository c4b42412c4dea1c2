"""Webhooks as callers see them."""

from __future__ import annotations

from payflow.domain.webhook import Webhook, WebhookState
from payflow.v1 import webhook_pb2 as pb
from payflow.wire.timestamps import timestamp

CONTENT_CHARACTERS_MAX = 65_536


def webhook_message(webhook: Webhook) -> pb.Webhook:
    """The protobuf message of an event in the inbox."""
    waits = webhook.state is WebhookState.PENDING
    return pb.Webhook(
        id=webhook.id,
        merchant_id=webhook.merchant_id,
        psp_account_id=webhook.psp_account_id,
        connector=webhook.endpoint.connector,
        credential_ref=webhook.endpoint.credential_ref,
        event_id=webhook.event_id,
        reference=webhook.reference,
        payment_intent_id=webhook.intent_id,
        state=pb.WebhookState.Value(f"WEBHOOK_STATE_{webhook.state}"),
        tries=webhook.tries,
        detail=webhook.detail,
        received_at=timestamp(webhook.received_at),
        due_at=timestamp(webhook.due_at if waits else None),
        settled_at=timestamp(webhook.settled_at),
        correlation_id=webhook.correlation_id,
        content=webhook.content.decode("utf-8", "replace")[:CONTENT_CHARACTERS_MAX],
    )
