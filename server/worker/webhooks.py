"""Works off the inbox of webhooks: side by side, but each payment's events in their order."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from payflow.commands import webhook_metrics
from payflow.commands.apply_webhook import apply_webhook
from payflow.commands.ports import Ports
from payflow.domain.webhook import Settlement, Webhook, WebhookState
from payflow.store.webhooks.queue import WebhookQueue
from server.worker.side_by_side import side_by_side

log = logging.getLogger(__name__)

BATCH_MAX = 64
DATABASE_TIMEOUT_S = 5.0


class Webhooks:
    """Takes what is due under a lease, so that several workers share it and a killed one loses nothing."""

    def __init__(
        self, ports: Ports, queue: WebhookQueue, lease: timedelta, stops: Callable[[], bool] = lambda: False
    ) -> None:
        """``lease`` is longer than one event takes. ``stops`` says that nothing new is to be begun."""
        self._ports = ports
        self._queue = queue
        self._lease = lease
        self._stops = stops

    def due(self) -> int:
        """Works off one batch of events and says how many there were."""
        now = self._ports.clock.now()
        taken = self._queue.take(now, self._lease, BATCH_MAX, _deadline())
        side_by_side([partial(self._work_off, one) for one in taken], self._stops)
        return len(taken)

    def measure(self) -> None:
        """Tells how far behind the inbox is."""
        oldest = self._queue.oldest_received_at(_deadline())
        age = self._ports.clock.now() - oldest if oldest else timedelta()
        webhook_metrics.OLDEST_PENDING_S.set(age.total_seconds())

    def _work_off(self, webhook: Webhook) -> None:
        # Whoever waited for its turn until the lease ended leaves the event to those who take it then.
        if self._ports.clock.now() >= webhook.due_at:
            return
        settlement = apply_webhook(self._ports, webhook)
        if self._queue.settle(webhook, settlement, self._ports.clock.now(), _deadline()):
            _tell(webhook, settlement)


def _tell(webhook: Webhook, settlement: Settlement) -> None:
    if settlement.state is not WebhookState.PENDING:
        webhook_metrics.SETTLED.labels(webhook.endpoint.connector, settlement.state.lower()).inc()
    told = {
        "webhook_id": webhook.id,
        "event_id": webhook.event_id,
        "psp_account_id": webhook.psp_account_id,
        "payment_intent_id": webhook.intent_id,
        "tries": webhook.tries,
        "detail": settlement.detail,
        "correlation_id": webhook.correlation_id,
    }
    level = logging.WARNING if settlement.state is WebhookState.PARKED else logging.INFO
    log.log(level, "a webhook's event is %s", settlement.state.lower(), extra=told)


def _deadline() -> float:
    return time.monotonic() + DATABASE_TIMEOUT_S
