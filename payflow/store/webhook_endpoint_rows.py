"""Rows of webhook_endpoints, to and from domain state."""

from __future__ import annotations

from typing import Any

from payflow.domain.merchant_webhooks.state import DisabledReason, EndpointStatus, WebhookEndpoint
from payflow.store.rows import Row


def webhook_endpoint(row: Row) -> WebhookEndpoint:
    """A row of webhook_endpoints."""
    values: dict[str, Any] = {name: row[name] for name in WebhookEndpoint.__match_args__}
    values["event_types"] = tuple(row["event_types"])
    values["status"] = EndpointStatus(row["status"])
    values["disabled_reason"] = DisabledReason(row["disabled_reason"]) if row["disabled_reason"] else None
    return WebhookEndpoint(**values)
