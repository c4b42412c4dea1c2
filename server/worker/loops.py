"""Work that is repeated until the process stops, each kind on a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loop:
    """``work`` says how much it found; it is repeated at once while that is a ``full_batch``."""

    name: str
    work: Callable[[], int]
    every_s: float
    full_batch: int
    close: Callable[[], None] = lambda: None
    """Called on the loop's own thread when it has ended."""


def start(loop: Loop, stop: threading.Event) -> threading.Thread:
    """Runs the loop until ``stop`` is set, then closes it.

    What its work raises is logged and tried again, what its closing raises is logged.
    """

    def run_until_stopped() -> None:
        while not stop.is_set():
            try:
                found = loop.work()
            except Exception:
                log.exception("%s failed", loop.name)
                found = 0
            if found < loop.full_batch:
                stop.wait(loop.every_s)
        try:
            loop.close()
        except Exception:
            log.exception("%s was not closed", loop.name)

    thread = threading.Thread(target=run_until_stopped, name=loop.name)
    thread.start()
    return thread
