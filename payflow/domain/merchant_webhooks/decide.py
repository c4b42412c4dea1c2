"""decide(state, command) -> events, for a merchant's webhook endpoints. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from payflow.domain.errors import PayFlowError, Reason, not_found
from payflow.domain.merchant.state import Merchant
from payflow.domain.merchant_webhooks.commands import (
    CreateEndpoint,
    DeleteEndpoint,
    EndpointCommand,
    GiveUpEndpoint,
    RotateSecret,
    TryEndpoint,
    UpdateEndpoint,
)
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
from payflow.domain.merchant_webhooks.state import (
    ENDPOINTS_MAX,
    DisabledReason,
    EndpointStatus,
    WebhookEndpoint,
)

KIND = "webhook endpoint"


def decide(
    endpoints: Mapping[str, WebhookEndpoint], merchant: Merchant | None, command: EndpointCommand
) -> tuple[EndpointEvent, ...]:
    """What a command makes happen, all to one endpoint. Raises PayFlowError when it is refused."""
    if merchant is None:
        raise not_found("merchant", command.merchant_id)
    if isinstance(command, CreateEndpoint):
        return (_create(endpoints, command),)
    endpoint = endpoints.get(command.endpoint_id)
    if isinstance(command, GiveUpEndpoint):
        is_enabled = endpoint is not None and endpoint.is_enabled
        return (WebhookEndpointDisabled(command.reason),) if is_enabled else ()
    if endpoint is None:
        raise not_found(KIND, command.endpoint_id)
    match command:
        case UpdateEndpoint():
            return tuple(_update(endpoint, command))
        case DeleteEndpoint():
            return (WebhookEndpointDeleted(),)
        case RotateSecret():
            return (WebhookEndpointSecretRotated(endpoint.secret_generation + 1),)
        case TryEndpoint():
            require_enabled(endpoint)
            return (WebhookEndpointTested(),)


def require_enabled(endpoint: WebhookEndpoint) -> None:
    """Raises INVALID_STATE_TRANSITION where nothing is sent to it."""
    if not endpoint.is_enabled:
        raise PayFlowError(
            Reason.INVALID_STATE_TRANSITION,
            f"the webhook endpoint {endpoint.id} is disabled; enable it first",
            subject=endpoint.id,
        )


def _create(endpoints: Mapping[str, WebhookEndpoint], command: CreateEndpoint) -> WebhookEndpointCreated:
    if len(endpoints) >= ENDPOINTS_MAX:
        raise PayFlowError(Reason.LIMIT_REACHED, f"a merchant has at most {ENDPOINTS_MAX} webhook endpoints")
    return WebhookEndpointCreated(command.url, command.description, command.event_types)


def _update(endpoint: WebhookEndpoint, command: UpdateEndpoint) -> Iterator[EndpointEvent]:
    yield WebhookEndpointUpdated(
        endpoint.url if command.url is None else command.url,
        endpoint.description if command.description is None else command.description,
        endpoint.event_types if command.event_types is None else command.event_types,
    )
    if command.status in (None, endpoint.status):
        return
    if command.status is EndpointStatus.ENABLED:
        yield WebhookEndpointEnabled()
    else:
        yield WebhookEndpointDisabled(DisabledReason.REQUESTED)
