"""What can happen to a webhook endpoint. Field names are those of proto/payflow/v1/events.proto."""

from __future__ import annotations

from dataclasses import dataclass

from payflow.domain.merchant_webhooks.state import DisabledReason


@dataclass(frozen=True, slots=True)
class WebhookEndpointCreated:
    """An endpoint was added; the generation of its secret is 1."""

    url: str
    description: str
    event_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WebhookEndpointUpdated:
    """An endpoint was changed; every field is as it is from now on."""

    url: str
    description: str
    event_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WebhookEndpointEnabled:
    """A disabled endpoint was enabled again."""


@dataclass(frozen=True, slots=True)
class WebhookEndpointDisabled:
    """An endpoint was disabled."""

    reason: DisabledReason


@dataclass(frozen=True, slots=True)
class WebhookEndpointDeleted:
    """An endpoint was removed."""


@dataclass(frozen=True, slots=True)
class WebhookEndpointSecretRotated:
    """An endpoint has a new secret."""

    generation: int


@dataclass(frozen=True, slots=True)
class WebhookEndpointTested:
    """Somebody wants to see whether an endpoint is told."""


EndpointEvent = (
    WebhookEndpointCreated
    | WebhookEndpointUpdated
    | WebhookEndpointEnabled
    | WebhookEndpointDisabled
    | WebhookEndpointDeleted
    | WebhookEndpointSecretRotated
    | WebhookEndpointTested
)
