"""What the use cases of webhooks need from outside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from payflow.domain.endpoint import Endpoint
from payflow.domain.merchant_webhooks.delivery import DeliveryRecord, DeliveryState
from payflow.domain.merchant_webhooks.state import WebhookEndpoint
from payflow.domain.webhook import Receipt, ReceivedEvent, Webhook, WebhookFilter


class WebhookEndpoints(Protocol):
    """Knows where PSP accounts lead."""

    def of(self, psp_account_id: str, merchant_id: str, limit: int, deadline: float) -> Sequence[Endpoint]:
        """Where the accounts of an id lead, at most ``limit``: of one merchant, or of all when empty."""
        ...


class Inbox(Protocol):
    """Keeps what verified webhooks say. Deadlines are in seconds of time.monotonic."""

    def add(self, receipt: Receipt, events: Sequence[ReceivedEvent], deadline: float) -> set[str]:
        """Puts the events of a delivery in, all or none, and answers the ``event_id`` of the new ones."""
        ...

    def find(self, merchant_id: str, webhook_id: str, deadline: float) -> Webhook | None:
        """One event with its content, or None."""
        ...

    def page(self, wanted: WebhookFilter, before: str, limit: int, deadline: float) -> list[Webhook]:
        """Events that match, newest first, older than ``before``; empty starts at the newest."""
        ...

    def retry(self, merchant_id: str, webhook_id: str, now: datetime, deadline: float) -> Webhook | None:
        """Makes a parked event due, as if it had never been tried; None where it is not parked."""
        ...

    def discard(
        self, merchant_id: str, webhook_id: str, reason: str, now: datetime, deadline: float
    ) -> Webhook | None:
        """Gives a parked event up; None where it is not parked."""
        ...


class MerchantWebhooks(Protocol):
    """Knows where merchants are told, and what. Deadlines are in seconds of time.monotonic."""

    @property
    def master_key(self) -> bytes:
        """What endpoints' secrets are derived from."""
        ...

    def secret(self, endpoint: WebhookEndpoint) -> str:
        """The current secret of an endpoint."""
        ...

    def endpoint(self, merchant_id: str, endpoint_id: str, deadline: float) -> WebhookEndpoint | None:
        """One endpoint, or None."""
        ...

    def endpoints(self, merchant_id: str, deadline: float) -> list[WebhookEndpoint]:
        """All of a merchant's, oldest first."""
        ...

    def deliveries(
        self,
        endpoint: WebhookEndpoint,
        state: DeliveryState | None,
        before: str,
        limit: int,
        deadline: float,
    ) -> list[DeliveryRecord]:
        """Deliveries, newest first, older than ``before``; empty starts at the newest."""
        ...

    def redeliver(
        self, endpoint: WebhookEndpoint, delivery_id: str, key: str, now: datetime, deadline: float
    ) -> DeliveryRecord | None:
        """Has one sent again, once for each ``key``, unless it waits already. None where there is none."""
        ...

    def redeliver_failed(
        self,
        endpoint: WebhookEndpoint,
        since: datetime,
        key: str,
        now: datetime,
        limit: int,
        deadline: float,
    ) -> int:
        """Has those that failed of events since an instant sent again, oldest first, and says how many."""
        ...
