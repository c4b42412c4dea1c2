"""The consumer `merchant-webhooks`: puts events on their way to the endpoints of merchants that want them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from google.protobuf import json_format

from payflow.domain.clock import Clock
from payflow.domain.merchant_webhooks import catalogue
from payflow.domain.merchant_webhooks.delivery import DeliveryState, NewDelivery, delivery_id
from payflow.domain.merchant_webhooks.state import WebhookEndpoint
from payflow.events.published_event import PublishedEvent
from payflow.store.database.statement import DictConnection
from payflow.store.merchant_webhooks import adding_deliveries
from payflow.wire.events import BY_NAME
from payflow.wire.json_encoder import MessageEncoders

CONSUMER = "merchant-webhooks"
DISABLED = "the endpoint was disabled"

_SENT = frozenset({*catalogue.SENT, catalogue.TEST})


class MerchantWebhooks:
    """Fulfils payflow.events.consumer.Handler: one delivery for each event and endpoint that wants it."""

    def __init__(self, clock: Clock, encoders: MessageEncoders) -> None:
        """``encoders`` write events as the HTTP API does."""
        self._clock = clock
        self._encoders = encoders

    def __call__(self, connection: DictConnection, events: Sequence[PublishedEvent]) -> None:
        sent = [event for event in events if event.type in _SENT]
        if not sent:
            return
        endpoints: defaultdict[str, list[WebhookEndpoint]] = defaultdict(list)
        for endpoint in adding_deliveries.endpoints_of(connection, sorted({one.merchant_id for one in sent})):
            endpoints[endpoint.merchant_id].append(endpoint)
        deliveries = [new for event in sent for new in self._deliveries(event, endpoints[event.merchant_id])]
        adding_deliveries.add(connection, deliveries, self._clock.now())

    def _deliveries(
        self, event: PublishedEvent, endpoints: Sequence[WebhookEndpoint]
    ) -> Iterator[NewDelivery]:
        wanting = [endpoint for endpoint in endpoints if _wants(endpoint, event)]
        content = body(event, self._encoders) if wanting else b""
        for endpoint in wanting:
            state, detail = DeliveryState.PENDING, ""
            if not endpoint.is_enabled:
                state, detail = DeliveryState.FAILED, DISABLED
            yield NewDelivery(
                delivery_id(event.id, event.occurred_at, endpoint.id),
                event.merchant_id,
                endpoint.id,
                event.id,
                event.type,
                event.aggregate_id,
                event.aggregate_version,
                content,
                event.occurred_at,
                state,
                detail,
            )


def _wants(endpoint: WebhookEndpoint, event: PublishedEvent) -> bool:
    if event.type == catalogue.TEST:
        return event.aggregate_id == endpoint.id
    # Whoever starts to listen is not told all that has ever happened, however late the event is read.
    return event.occurred_at >= endpoint.created_at and catalogue.matches(endpoint.event_types, event.type)


def body(event: PublishedEvent, encoders: MessageEncoders) -> bytes:
    """What is posted: the payload of Standard Webhooks, its data as the HTTP API shows the event."""
    known = BY_NAME[event.type]
    message = json_format.Parse(event.data, known.message(), ignore_unknown_fields=True)
    descriptor: Any = message.DESCRIPTOR
    content: Mapping[str, Any] = {
        "type": event.type,
        "timestamp": event.occurred_at,
        "data": {
            "id": event.id,
            "merchant_id": event.merchant_id,
            "object_id": event.aggregate_id,
            "sequence": event.aggregate_version,
            "schema_version": event.schema_version,
            known.envelope_field: encoders.of(descriptor)(message),
        },
    }
    return msgspec.json.encode(content)
