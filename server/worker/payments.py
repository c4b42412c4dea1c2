"""What payments need in the background: each piece of work with how often it is done."""

from __future__ import annotations

import time
from collections.abc import Callable

from payflow.store.commit.key_cleaner import BATCH_MAX, delete_expired
from payflow.store.webhooks.cleaner import BATCH_MAX as INBOX_BATCH_MAX
from payflow.store.webhooks.cleaner import delete_old
from server.config import required_database_url
from server.wiring import Core
from server.worker.expediting import PAGE, Expediting
from server.worker.guardrails import EXPERIMENTS_MAX, Guardrails
from server.worker.loops import Loop
from server.worker.recovery import BATCH_MAX as RECOVERY_BATCH_MAX
from server.worker.recovery import Recovery
from server.worker.webhooks import Webhooks

RECOVERY_EVERY_S = 1.0
EXPEDITING_EVERY_S = 15.0
EXPIRY_EVERY_S = 30.0
HOLDS_EVERY_S = 1.0
WEBHOOKS_EVERY_S = 0.5
WEBHOOKS_MEASURED_EVERY_S = 10.0
CLEANING_EVERY_S = 60.0
CLEANING_TIMEOUT_S = 30.0
GUARDRAILS_EVERY_S = 30.0


def payments(core: Core, stops: Callable[[], bool]) -> list[Loop]:
    """Recovery of payments whose outcome is unknown, PSPs' webhooks, expiry, guardrails, clean-up."""
    recovery = Recovery(core.ports, core.due, stops)
    guardrails = Guardrails(core.ports, stops)
    webhooks = Webhooks(core.ports, core.webhooks, core.lease, stops)
    conninfo = required_database_url(core.settings)

    def measure_webhooks() -> int:
        webhooks.measure()
        return 0

    def clean() -> int:
        return delete_expired(conninfo, core.ports.clock.now())

    def clean_inbox() -> int:
        return delete_old(core.writes, core.ports.clock.now(), time.monotonic() + CLEANING_TIMEOUT_S)

    return [
        Loop("recovery", recovery.attempts, RECOVERY_EVERY_S, RECOVERY_BATCH_MAX),
        Loop("expediting", Expediting(core.ports, stops).round, EXPEDITING_EVERY_S, PAGE),
        Loop("expiry", recovery.authorizations, EXPIRY_EVERY_S, RECOVERY_BATCH_MAX),
        Loop("holds", recovery.holds, HOLDS_EVERY_S, RECOVERY_BATCH_MAX),
        # Until nothing is found: what comes behind another event of its payment is in the next batch.
        Loop("webhooks", webhooks.due, WEBHOOKS_EVERY_S, 1),
        Loop("webhooks' age", measure_webhooks, WEBHOOKS_MEASURED_EVERY_S, 1),
        Loop("cleaning", clean, CLEANING_EVERY_S, BATCH_MAX),
        Loop("cleaning of webhooks", clean_inbox, CLEANING_EVERY_S, INBOX_BATCH_MAX),
        Loop("guardrails", guardrails.check, GUARDRAILS_EVERY_S, EXPERIMENTS_MAX),
    ]
