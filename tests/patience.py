"""The tests' patience: on a busy machine anybody may stand still for seconds, and is not away for that."""

from __future__ import annotations

from importlib import import_module

from tests.waiting import WAIT_S

# For PostgreSQL, and for whoever is sent a webhook; a test of one of them sets it itself. Those for Redis and
# Kafka are left alone, because many tests have them away.
_TIMEOUTS = {
    "payflow.events.consumers.webhook_post": ("CONNECT_TIMEOUT_S", "TIMEOUT_S"),
    "payflow.events.relay.leases": ("DATABASE_TIMEOUT_S",),
    "payflow.events.relay.progress": ("DATABASE_TIMEOUT_S",),
    "payflow.events.relay.relay": ("DATABASE_TIMEOUT_S",),
    "payflow.events.relay.retries": ("DATABASE_TIMEOUT_S",),
    "payflow.events.relay.topic_log": ("DATABASE_TIMEOUT_S",),
    "payflow.store.commit.key_cleaner": ("CONNECT_TIMEOUT_S",),
    "payflow.store.database.pool": ("CONNECT_TIMEOUT_S", "WAIT_MAX_S"),
    "payflow.store.database.writer_connection": (
        "CONNECT_TIMEOUT_S",
        "IDLE_TIMEOUT_MS",
        "STATEMENT_TIMEOUT_MS",
    ),
    "payflow.store.merchant_webhooks.merchant_webhooks": ("KEY_TIMEOUT_S",),
    "payflow.store.proof.head_cursor": ("CONNECT_TIMEOUT_S",),
    "payflow.store.proof.sealing": ("CONNECT_TIMEOUT_S",),
    "server.wiring": ("READY_TIMEOUT_S", "START_TIMEOUT_S"),
    "server.worker.audit": ("READ_TIMEOUT_S",),
    "server.worker.dead_letters": ("READ_TIMEOUT_S",),
    "server.worker.expediting": ("READ_TIMEOUT_S",),
    "server.worker.guardrails": ("READ_TIMEOUT_S",),
    "server.worker.merchant_webhooks": ("DATABASE_TIMEOUT_S",),
    "server.worker.recovery": ("READ_TIMEOUT_S",),
    "server.worker.sealing": ("READ_TIMEOUT_S",),
    "server.worker.webhooks": ("DATABASE_TIMEOUT_S",),
}


def be_patient() -> None:
    """From now on this process waits until they answer."""
    for name, timeouts in _TIMEOUTS.items():
        module = import_module(name)
        for timeout in timeouts:
            assert isinstance(vars(module)[timeout], int | float)
            setattr(module, timeout, int(WAIT_S * 1000) if timeout.endswith("_MS") else int(WAIT_S))
