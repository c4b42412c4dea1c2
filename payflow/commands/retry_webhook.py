"""Has a parked event tried again."""

from __future__ import annotations

from payflow.commands.ports import Ports
from payflow.domain.errors import not_found
from payflow.domain.webhook import Webhook

KIND = "webhook"


def retry_webhook(ports: Ports, merchant_id: str, webhook_id: str, deadline: float) -> Webhook:
    """The event as it is then: due now if it was parked, otherwise as it was. Raises NOT_FOUND."""
    retried = ports.inbox.retry(merchant_id, webhook_id, ports.clock.now(), deadline)
    found = retried or ports.inbox.find(merchant_id, webhook_id, deadline)
    if found is None:
        raise not_found(KIND, webhook_id)
    return found
