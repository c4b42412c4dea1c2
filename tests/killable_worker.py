"""``payflow worker`` with the PSP of tests.webhook_stack, CLOCK_AHEAD_S ahead.

With DIES set it kills itself when it has taken an event and is about to apply it.
"""

from __future__ import annotations

import os
import signal
import sys

from payflow.domain.psp_notice import Notice
from server.config import Settings
from server.wiring import Core
from server.worker.process import run
from tests.signed_webhooks import SigningConnector
from tests.turned_clock import ShiftedClock
from tests.webhook_stack import ACME


class DyingConnector(SigningConnector):
    """Does not live to tell what an event says."""

    def interpret(self, content: bytes, credential_ref: str) -> Notice | None:
        """Dies."""
        os.kill(os.getpid(), signal.SIGKILL)
        return None


class WorkersCore(Core):
    """The core of a worker that knows that PSP."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, ShiftedClock(float(os.environ["CLOCK_AHEAD_S"])))
        kind = DyingConnector if os.environ.get("DIES") else SigningConnector
        self.connectors[ACME] = kind(self.connectors["simulator"], ACME, {})


if __name__ == "__main__":
    sys.exit(run(Settings.from_environment(os.environ), WorkersCore))
