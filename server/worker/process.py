"""`payflow worker`: background work that no caller waits for. Several may run at once."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable

from payflow.store.audit_reader import AuditReader, Subject
from payflow.store.key_cleaner import BATCH_MAX, delete_expired
from payflow.store.webhook_cleaner import BATCH_MAX as INBOX_BATCH_MAX
from payflow.store.webhook_cleaner import delete_old
from server.config import Settings, required_database_url
from server.rpc.exposition import expose_worker_metrics
from server.wiring import Core
from server.worker.audit import Audit
from server.worker.expediting import PAGE, Expediting
from server.worker.guardrails import EXPERIMENTS_MAX, Guardrails
from server.worker.recovery import BATCH_MAX as RECOVERY_BATCH_MAX
from server.worker.recovery import Recovery
from server.worker.webhooks import Webhooks

log = logging.getLogger(__name__)

RECOVERY_EVERY_S = 1.0
EXPEDITING_EVERY_S = 15.0
EXPIRY_EVERY_S = 30.0
HOLDS_EVERY_S = 1.0
WEBHOOKS_EVERY_S = 0.5
WEBHOOKS_MEASURED_EVERY_S = 10.0
CLEANING_EVERY_S = 60.0
CLEANING_TIMEOUT_S = 30.0
GUARDRAILS_EVERY_S = 30.0
AUDIT_EVERY_S = 1.0
SIGNAL_LATENCY_MAX_S = 0.5


def run(settings: Settings, make_core: Callable[[Settings], Core] = Core) -> int:
    """Works until SIGTERM or SIGINT, then ends what it has begun. Returns the exit code. Raises PortInUse."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    expose_worker_metrics(settings)
    core = make_core(settings)
    try:
        _work(core, required_database_url(settings), stop)
    finally:
        core.close()
    return 0


def _work(core: Core, conninfo: str, stop: threading.Event) -> None:
    recovery = Recovery(core.ports, core.due, stop.is_set)
    guardrails = Guardrails(core.ports, stop.is_set)
    webhooks = Webhooks(core.ports, core.webhooks, core.lease, stop.is_set)
    audit = Audit(AuditReader(core.pool), lambda: core.ports.clock.now().timestamp())

    def measure_webhooks() -> int:
        webhooks.measure()
        return 0

    def clean() -> int:
        return delete_expired(conninfo, core.ports.clock.now())

    def clean_inbox() -> int:
        return delete_old(core.writes, core.ports.clock.now(), time.monotonic() + CLEANING_TIMEOUT_S)

    loops = [
        _loop("recovery", recovery.attempts, RECOVERY_EVERY_S, RECOVERY_BATCH_MAX, stop),
        _loop("expediting", Expediting(core.ports, stop.is_set).round, EXPEDITING_EVERY_S, PAGE, stop),
        _loop("expiry", recovery.authorizations, EXPIRY_EVERY_S, RECOVERY_BATCH_MAX, stop),
        _loop("holds", recovery.holds, HOLDS_EVERY_S, RECOVERY_BATCH_MAX, stop),
        # Until nothing is found: what comes behind another event of its payment is in the next batch.
        _loop("webhooks", webhooks.due, WEBHOOKS_EVERY_S, 1, stop),
        _loop("webhooks' age", measure_webhooks, WEBHOOKS_MEASURED_EVERY_S, 1, stop),
        _loop("cleaning", clean, CLEANING_EVERY_S, BATCH_MAX, stop),
        _loop("cleaning of webhooks", clean_inbox, CLEANING_EVERY_S, INBOX_BATCH_MAX, stop),
        # Never at once: however much there is to look at, it is to cost the others little.
        _loop("audit", audit.round, AUDIT_EVERY_S, len(Subject) + 1, stop),
        _loop("guardrails", guardrails.check, GUARDRAILS_EVERY_S, EXPERIMENTS_MAX, stop),
    ]
    log.info("worker ready")
    # Not one long wait: a signal in the last moment before it would only be noticed at its end.
    while not stop.wait(SIGNAL_LATENCY_MAX_S):
        pass
    for thread in loops:
        thread.join()


def _loop(
    name: str, work: Callable[[], int], every_s: float, full_batch: int, stop: threading.Event
) -> threading.Thread:
    """Runs ``work`` every so often, and again at once while it finds full batches."""

    def run_until_stopped() -> None:
        while not stop.is_set():
            try:
                found = work()
            except Exception:
                log.exception("%s failed", name)
                found = 0
            if found < full_batch:
                stop.wait(every_s)

    thread = threading.Thread(target=run_until_stopped, name=name)
    thread.start()
    return thread
