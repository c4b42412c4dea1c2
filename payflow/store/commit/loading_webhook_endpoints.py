"""Loads the webhook endpoints of the merchants whose endpoints commands are about."""

from __future__ import annotations

from collections.abc import Sequence

from payflow.domain.folding.submission import Submission
from payflow.domain.folding.working_set import WorkingSet
from payflow.domain.merchant_webhooks.commands import EndpointCommand
from payflow.domain.merchant_webhooks.state import WebhookEndpoint
from payflow.store.database.columns import columns_of
from payflow.store.database.statement import DictConnection
from payflow.store.webhook_endpoint_rows import webhook_endpoint

# All of them, because how many a merchant has is limited.
ENDPOINTS = f"""
    SELECT {columns_of(WebhookEndpoint, "endpoint")}
    FROM unnest(%s::text[]) AS wanted (merchant_id)
    JOIN webhook_endpoints AS endpoint USING (merchant_id)
"""


class WebhookEndpointsLoading:
    """The statement of the first round trip, sent when made, read when asked for."""

    def __init__(self, connection: DictConnection, submissions: Sequence[Submission]) -> None:
        commands = (submission.command for submission in submissions)
        merchant_ids = sorted({one.merchant_id for one in commands if isinstance(one, EndpointCommand)})
        self._endpoints = connection.execute(ENDPOINTS, [merchant_ids]) if merchant_ids else None

    def add_to(self, working: WorkingSet) -> None:
        """Adds what was found."""
        for row in self._endpoints or ():
            endpoint = webhook_endpoint(row)
            working.webhook_endpoints.setdefault(endpoint.merchant_id, {})[endpoint.id] = endpoint
