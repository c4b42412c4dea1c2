"""What can be asked of a merchant's webhook endpoints."""

from __future__ import annotations

from dataclasses import dataclass

from payflow.domain.merchant_webhooks.state import DisabledReason, EndpointStatus


@dataclass(frozen=True, slots=True)
class CreateEndpoint:
    """Adds an endpoint."""

    merchant_id: str
    endpoint_id: str
    url: str
    description: str
    event_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UpdateEndpoint:
    """Changes what is not None."""

    merchant_id: str
    endpoint_id: str
    url: str | None = None
    description: str | None = None
    event_types: tuple[str, ...] | None = None
    status: EndpointStatus | None = None


@dataclass(frozen=True, slots=True)
class GiveUpEndpoint:
    """Disables an endpoint that takes nothing any more; says nothing where it is disabled or gone already."""

    merchant_id: str
    endpoint_id: str
    reason: DisabledReason


@dataclass(frozen=True, slots=True)
class DeleteEndpoint:
    """Removes an endpoint."""

    merchant_id: str
    endpoint_id: str


@dataclass(frozen=True, slots=True)
class RotateSecret:
    """Gives an endpoint a new secret."""

    merchant_id: str
    endpoint_id: str


@dataclass(frozen=True, slots=True)
class TryEndpoint:
    """Makes an event that is sent to the endpoint."""

    merchant_id: str
    endpoint_id: str


EndpointCommand = (
    CreateEndpoint | UpdateEndpoint | GiveUpEndpoint | DeleteEndpoint | RotateSecret | TryEndpoint
)
