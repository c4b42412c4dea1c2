"""Rows of the webhook inbox."""

from __future__ import annotations

from payflow.domain.endpoint import Endpoint
from payflow.domain.webhook import Webhook, WebhookState
from payflow.store.rows import Row

_SHARED = tuple(name for name in Webhook.__match_args__ if name not in ("endpoint", "content"))

COLUMNS = ", ".join(f"item.{name}" for name in (*_SHARED, "connector", "credential_ref"))
WHOLE = f"{COLUMNS}, item.content"


def webhook(row: Row) -> Webhook:
    """A row with COLUMNS, or with its content, too."""
    values = {name: row[name] for name in _SHARED}
    values["state"] = WebhookState(row["state"])
    endpoint = Endpoint(row["connector"], row["credential_ref"])
    return Webhook(**values, endpoint=endpoint, content=row.get("content", b""))
