"""For tests of other things than time-outs: on a busy machine anybody may stand still for seconds."""

from __future__ import annotations

from types import ModuleType

from payflow.events.consumers import webhook_post
from payflow.store.database import pool, writer_connection
from payflow.store.merchant_webhooks import merchant_webhooks as webhook_reads
from server import wiring
from server.worker import merchant_webhooks, recovery, webhooks
from tests.waiting import WAIT_S

_LIMITS: tuple[tuple[ModuleType, str], ...] = (
    (pool, "WAIT_MAX_S"),
    (pool, "CONNECT_TIMEOUT_S"),
    (writer_connection, "CONNECT_TIMEOUT_S"),
    (wiring, "CONNECT_TIMEOUT_S"),
    (wiring, "START_TIMEOUT_S"),
    (webhook_reads, "KEY_TIMEOUT_S"),
    (recovery, "READ_TIMEOUT_S"),
    (webhooks, "DATABASE_TIMEOUT_S"),
    (merchant_webhooks, "DATABASE_TIMEOUT_S"),
    (webhook_post, "CONNECT_TIMEOUT_S"),
    (webhook_post, "TIMEOUT_S"),
)


def be_patient() -> None:
    """From now on this process waits for databases, and for whoever is sent a webhook, until they answer."""
    for module, limit in _LIMITS:
        assert isinstance(vars(module)[limit], int | float)
        setattr(module, limit, int(WAIT_S))
