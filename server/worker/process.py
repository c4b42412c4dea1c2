"""`payflow worker`: background work that no caller waits for. Several may run at once."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable

from payflow.store.key_cleaner import BATCH_MAX, delete_expired
from server.config import Settings, required_database_url
from server.wiring import Core
from server.worker.guardrails import BATCH_MAX as GUARDRAILS_BATCH_MAX
from server.worker.guardrails import Guardrails
from server.worker.recovery import BATCH_MAX as RECOVERY_BATCH_MAX
from server.worker.recovery import Recovery

log = logging.getLogger(__name__)

RECOVERY_EVERY_S = 1.0
EXPIRY_EVERY_S = 30.0
HOLDS_EVERY_S = 1.0
CLEANING_EVERY_S = 60.0
GUARDRAILS_EVERY_S = 30.0
SIGNAL_LATENCY_MAX_S = 0.5


def run(settings: Settings) -> int:
    """Works until SIGTERM or SIGINT, then ends what it has begun. Returns the exit code."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    core = Core(settings)
    try:
        _work(core, required_database_url(settings), stop)
    finally:
        core.close()
    return 0


def _work(core: Core, conninfo: str, stop: threading.Event) -> None:
    recovery = Recovery(core.ports, core.due, stop.is_set)
    guardrails = Guardrails(core.ports)

    def clean() -> int:
        return delete_expired(conninfo, core.ports.clock.now())

    loops = [
        _loop("recovery", recovery.attempts, RECOVERY_EVERY_S, RECOVERY_BATCH_MAX, stop),
        _loop("expiry", recovery.authorizations, EXPIRY_EVERY_S, RECOVERY_BATCH_MAX, stop),
        _loop("holds", recovery.holds, HOLDS_EVERY_S, RECOVERY_BATCH_MAX, stop),
        _loop("cleaning", clean, CLEANING_EVERY_S, BATCH_MAX, stop),
        _loop("guardrails", guardrails.check, GUARDRAILS_EVERY_S, GUARDRAILS_BATCH_MAX, stop),
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
