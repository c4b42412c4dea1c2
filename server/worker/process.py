"""`payflow worker`: background work that no caller waits for. Several may run at once."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Sequence

from server.config import Settings
from server.rpc.exposition import expose_worker_metrics
from server.wiring import Core
from server.worker import loops
from server.worker.kinds import KINDS

log = logging.getLogger(__name__)

SIGNAL_LATENCY_MAX_S = 0.5


def run(
    settings: Settings, make_core: Callable[[Settings], Core] = Core, kinds: Sequence[str] = tuple(KINDS)
) -> int:
    """Works until SIGTERM or SIGINT, then ends what it has begun. Returns the exit code. Raises PortInUse."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    expose_worker_metrics(settings)
    core = make_core(settings)
    try:
        _work(core, kinds, stop)
    finally:
        core.close()
    return 0


def _work(core: Core, kinds: Sequence[str], stop: threading.Event) -> None:
    work = [loop for kind in kinds for loop in KINDS[kind](core, stop.is_set)]
    threads = [loops.start(loop, stop) for loop in work]
    log.info("worker ready")
    # Not one long wait: a signal in the last moment before it would only be noticed at its end.
    while not stop.wait(SIGNAL_LATENCY_MAX_S):
        pass
    for thread in threads:
        thread.join()
