"""What workers do: each kind of work by its name, as the loops that it consists of."""

from __future__ import annotations

import time
from collections.abc import Callable

from payflow.events.consumers import daily_totals
from payflow.events.consumers.merchant_webhooks import CONSUMER, MerchantWebhooks
from payflow.events.consumers.webhook_post import WebhookPost
from payflow.events.replay.state_audit import StateAudit
from payflow.store.consumers.dead_letters_reader import DeadLettersReader
from payflow.store.merchant_webhooks import delivery_cleaner
from payflow.store.merchant_webhooks.delivery_queue import DeliveryQueue
from payflow.store.replay.audit_reader import AuditReader, Subject
from payflow.wire.json_encoder import MessageEncoders
from server.gateway.enum_names import enum_names
from server.wiring import Core
from server.worker.audit import Audit
from server.worker.consumers import consuming
from server.worker.dead_letters import DeadLetterFigures
from server.worker.loops import Loop
from server.worker.merchant_webhooks import Sending
from server.worker.payments import CLEANING_EVERY_S, CLEANING_TIMEOUT_S, payments
from server.worker.relay import relay
from server.worker.sealing import sealer

Kind = Callable[[Core, Callable[[], bool]], list[Loop]]
"""Makes the loops; the second argument says whether the process is to stop."""

AUDIT_EVERY_S = 1.0
DEAD_LETTERS_MEASURED_EVERY_S = 10.0
SENDING_EVERY_S = 0.25


def audit(core: Core, stops: Callable[[], bool]) -> list[Loop]:
    """Looks again at everything that is stored, and at what waits for an operator."""
    reads = AuditReader(core.pool).reads() | {Subject.EVENTS: StateAudit(core.pool).slice}
    looks = Audit(reads, lambda: core.ports.clock.now().timestamp())
    figures = DeadLetterFigures(DeadLettersReader(core.pool), core.ports.clock.now)
    return [
        # Never at once: however much there is to look at, it is to cost the others little.
        Loop("audit", looks.round, AUDIT_EVERY_S, len(Subject) + 1),
        Loop("dead letters' age", figures.measure, DEAD_LETTERS_MEASURED_EVERY_S, 1),
    ]


def analytics(core: Core, stops: Callable[[], bool]) -> list[Loop]:
    """Adds published events up to the read model of daily totals."""
    return consuming(daily_totals.CONSUMER, daily_totals.add_up, core, stops)


def merchant_webhooks(core: Core, stops: Callable[[], bool]) -> list[Loop]:
    """Puts published events on their way to merchants' endpoints, and sends what is due."""
    handler = MerchantWebhooks(core.ports.clock, MessageEncoders(enum_names))
    post = WebhookPost(core.settings.webhooks_allow_private)
    sending = Sending(core.ports, DeliveryQueue(core.writes), post)

    def clean() -> int:
        deadline = time.monotonic() + CLEANING_TIMEOUT_S
        return delivery_cleaner.delete_old(core.writes, core.ports.clock.now(), deadline)

    return [
        *consuming(CONSUMER, handler, core, stops),
        # Until nothing is found: what comes behind another event of its object is in the next batch.
        Loop("merchant webhooks", sending.due, SENDING_EVERY_S, 1, sending.close),
        Loop("cleaning of deliveries", clean, CLEANING_EVERY_S, delivery_cleaner.BATCH_MAX),
    ]


KINDS: dict[str, Kind] = {
    "payments": payments,
    "audit": audit,
    "relay": relay,
    "sealer": sealer,
    "analytics": analytics,
    "merchant-webhooks": merchant_webhooks,
}
