"""Watches whether the application could take a payment now."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

POLL_INTERVAL_S: Final = 1.0
POLL_TIMEOUT_S: Final = 2.0

_log = logging.getLogger(__name__)


class ReadinessMonitor:
    """Asks ``ready`` and gives every answer to ``show``; an error is a no, and so is no answer in time."""

    def __init__(
        self,
        ready: Callable[[], bool],
        show: Callable[[bool], None],
        *,
        interval_s: float = POLL_INTERVAL_S,
        timeout_s: float = POLL_TIMEOUT_S,
    ) -> None:
        self._ready = ready
        self._show = show
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._asker = ThreadPoolExecutor(1, thread_name_prefix="readiness")
        self._asked: Future[bool] | None = None
        self._serving: bool | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="readiness-monitor", daemon=True)

    def start(self) -> None:
        """Starts asking."""
        self._thread.start()

    def stop(self) -> None:
        """Stops asking; a question that is still open is left to itself."""
        self._stopped.set()
        self._thread.join()
        self._asker.shutdown(wait=False)

    def _watch(self) -> None:
        while not self._stopped.is_set():
            serving = self._ask()
            if serving != self._serving:
                _log.log(
                    logging.INFO if serving else logging.WARNING, "serving" if serving else "not serving"
                )
            self._serving = serving
            self._show(serving)
            self._stopped.wait(self._interval_s)

    def _ask(self) -> bool:
        """One question at a time: a `ready` that hangs is waited for, not asked again."""
        asked = self._asked or self._asker.submit(self._ready)
        self._asked = asked
        try:
            return asked.result(self._timeout_s)
        except Exception:
            if asked.done():
                _log.exception("the readiness check failed")
            return False
        finally:
            if asked.done():
                self._asked = None
