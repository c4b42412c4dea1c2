"""Applies one event to a webhook endpoint. Replaying all of them from empty gives the same state."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from payflow.domain.merchant_webhooks.events import (
    EndpointEvent,
    WebhookEndpointCreated,
    WebhookEndpointDeleted,
    WebhookEndpointDisabled,
    WebhookEndpointEnabled,
    WebhookEndpointSecretRotated,
    WebhookEndpointTested,
    WebhookEndpointUpdated,
)
from payflow.domain.merchant_webhooks.state import EndpointStatus, WebhookEndpoint

FIRST_GENERATION = 1


def evolve(
    endpoint: WebhookEndpoint | None, merchant_id: str, endpoint_id: str, event: EndpointEvent, at: datetime
) -> WebhookEndpoint | None:
    """The endpoint behind one more event; None when it was removed, behind which nothing can happen."""
    if isinstance(event, WebhookEndpointCreated):
        return WebhookEndpoint(
            endpoint_id,
            merchant_id,
            event.url,
            event.description,
            event.event_types,
            EndpointStatus.ENABLED,
            None,
            FIRST_GENERATION,
            None,
            1,
            at,
            at,
        )
    if endpoint is None:
        raise ValueError(f"{type(event).__name__} of an endpoint that is not there")
    later = replace(endpoint, version=endpoint.version + 1, updated_at=at)
    match event:
        case WebhookEndpointUpdated():
            return replace(later, url=event.url, description=event.description, event_types=event.event_types)
        case WebhookEndpointEnabled():
            return replace(later, status=EndpointStatus.ENABLED, disabled_reason=None)
        case WebhookEndpointDisabled():
            return replace(later, status=EndpointStatus.DISABLED, disabled_reason=event.reason)
        case WebhookEndpointSecretRotated():
            return replace(later, secret_generation=event.generation, secret_rotated_at=at)
        case WebhookEndpointTested():
            return later
        case WebhookEndpointDeleted():
            return None
