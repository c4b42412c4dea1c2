"""Gives a parked event of a PSP up."""

from __future__ import annotations

import logging

from payflow.commands.ports import Ports
from payflow.commands.retry_webhook import KIND
from payflow.domain.errors import PayFlowError, Reason, not_found
from payflow.domain.webhook import Webhook, WebhookState

log = logging.getLogger(__name__)


def discard_webhook(ports: Ports, merchant_id: str, webhook_id: str, reason: str, deadline: float) -> Webhook:
    """The event as it is then; one that is discarded already keeps its reason.

    Raises NOT_FOUND, and INVALID_STATE_TRANSITION for one that is not parked.
    """
    discarded = ports.inbox.discard(merchant_id, webhook_id, reason, ports.clock.now(), deadline)
    if discarded is not None:
        log.info(
            "an operator discarded a webhook's event", extra={"webhook_id": webhook_id, "reason": reason}
        )
        return discarded
    found = ports.inbox.find(merchant_id, webhook_id, deadline)
    if found is None:
        raise not_found(KIND, webhook_id)
    if found.state is not WebhookState.DISCARDED:
        raise PayFlowError(
            Reason.INVALID_STATE_TRANSITION,
            f"the {KIND} {webhook_id} is {found.state.lower()}, not parked",
            subject=webhook_id,
        )
    return found
