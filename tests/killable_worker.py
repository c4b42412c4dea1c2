"""``payflow worker`` with the PSP of tests.webhook_stack, CLOCK_AHEAD_S ahead.

With DIES it kills itself when it has taken a webhook's event: ``before`` applying it, or right ``behind``.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import datetime
from typing import NoReturn

from payflow.domain.psp_notice import Notice
from payflow.domain.webhook import Settlement, Webhook
from payflow.store.payments.due_reader import DueAttempt, DueReader
from payflow.store.webhooks.queue import WebhookQueue
from server.config import Settings
from server.wiring import Core
from server.worker.process import run
from tests.patience import be_patient
from tests.signed_webhooks import SigningConnector
from tests.turned_clock import ShiftedClock
from tests.webhook_stack import ACME


class DyingConnector(SigningConnector):
    """Does not live to tell what an event says."""

    def interpret(self, content: bytes, credential_ref: str) -> Notice | None:
        """Dies."""
        _die()


class DyingQueue(WebhookQueue):
    """Does not live to write down that an event was applied."""

    def settle(self, taken: Webhook, settlement: Settlement, now: datetime, deadline: float) -> bool:
        """Dies."""
        _die()


class NothingDue(DueReader):
    """No attempt is due: a PSP that is asked would keep its webhooks waiting."""

    def attempts(self, now: datetime, limit: int, deadline: float) -> list[DueAttempt]:
        """None."""
        return []


class WorkersCore(Core):
    """The core of a worker that knows that PSP."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, ShiftedClock(float(os.environ["CLOCK_AHEAD_S"])))
        self.due = NothingDue(self.pool)
        dies = os.environ.get("DIES")
        connector = DyingConnector if dies == "before" else SigningConnector
        self.connectors[ACME] = connector(self.connectors["simulator"], ACME, {})
        if dies == "behind":
            self.webhooks = DyingQueue(self.writes)


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody survives SIGKILL")


if __name__ == "__main__":
    be_patient()
    sys.exit(run(Settings.from_environment(os.environ), WorkersCore))
