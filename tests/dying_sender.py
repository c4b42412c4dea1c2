"""A sender of merchants' webhooks that kills itself between an endpoint's answer and writing it down."""

from __future__ import annotations

import os
import signal
import sys
from datetime import datetime

from payflow.domain.merchant_webhooks.delivery import Answer, TakenDelivery
from payflow.events.consumers.webhook_post import WebhookPost
from payflow.store.merchant_webhooks.delivery_queue import DeliveryQueue
from server.config import Settings
from server.wiring import Core
from server.worker.merchant_webhooks import Sending
from tests.patience import be_patient


class DyingQueue(DeliveryQueue):
    """Does not live to write down that a delivery was accepted."""

    def delivered(self, taken: TakenDelivery, answer: Answer, now: datetime, deadline: float) -> bool:
        """Dies."""
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("nobody survives SIGKILL")


if __name__ == "__main__":
    be_patient()
    core = Core(Settings.from_environment(os.environ))
    sending = Sending(core.ports, DyingQueue(core.writes), WebhookPost(allows_private=True))
    sending.due()
    sending.wait()
    sys.exit("there was nothing to send")
