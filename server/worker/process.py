"""`payflow worker`: background work that no caller waits for. Several may run at once."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Sequence

from server.config import Settings
from server.rpc.exposition import expose_worker_metrics
from server.rpc.lifetime import Events, next_event, stop_signals
from server.wiring import Core
from server.worker import loops
from server.worker.kinds import KINDS

log = logging.getLogger(__name__)


def run(
    settings: Settings, make_core: Callable[[Settings], Core] = Core, kinds: Sequence[str] = tuple(KINDS)
) -> int:
    """Works until SIGTERM or SIGINT, then ends what it has begun. Returns the exit code. Raises PortInUse."""
    events = stop_signals(signal.SIGTERM, signal.SIGINT)
    expose_worker_metrics(settings)
    core = make_core(settings)
    try:
        _work(core, kinds, events)
    finally:
        core.close()
    return 0


def _work(core: Core, kinds: Sequence[str], events: Events) -> None:
    stop = threading.Event()
    work = [loop for kind in kinds for loop in KINDS[kind](core, stop.is_set)]
    threads = [loops.start(loop, stop) for loop in work]
    log.info("worker ready")
    # No handler sets ``stop`` itself: in the middle of a wait for it that would wait for its lock.
    next_event(events)
    stop.set()
    for thread in threads:
        thread.join()
