"""One of several serving processes, seen from both sides."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from typing import Final

from prometheus_client.multiprocess import mark_process_dead

from server.config import Settings
from server.log import configure_logging
from server.rpc.application import ApplicationFactory
from server.rpc.lifetime import Event, Events, run, stop_signals

CONNECTION_AGE_MAX_S: Final = 300.0
"""After this a client connects again, so that connections spread over the processes."""

RESTART_DELAY_MIN_S: Final = 0.5
RESTART_DELAY_MAX_S: Final = 30.0

LIVED_WELL_S: Final = 60.0
"""Whoever lived so long is restarted as soon as if it had never ended."""

_log = logging.getLogger(__name__)
# Not fork: gRPC's threads would not come along.
_spawn = get_context("spawn")


class ChildFailed(Exception):
    """A serving process could not start; the message says why."""


class Child:
    """A serving process, as its supervisor knows it; a new one takes the place of one that ended."""

    def __init__(self, settings: Settings, application_factory: ApplicationFactory) -> None:
        self._settings = settings
        self._application_factory = application_factory
        self._has_served = False
        self._delay_s = RESTART_DELAY_MIN_S
        self._start()

    def _start(self) -> None:
        self._reports, reports = _spawn.Pipe(duplex=False)
        self._process = _spawn.Process(
            target=_serve, args=(self._settings, self._application_factory, reports), daemon=True
        )
        self._process.start()
        reports.close()
        self._started_at = time.monotonic()
        self._restart_at: float | None = None

    def tend(self) -> None:
        """Restarts the process when it has ended and its time has come.

        Raises ChildFailed where none was ever able to serve: restarting would not help.
        """
        if self._process.is_alive():
            return
        if not self._has_served:
            self._hear_how_it_went()
        if self._restart_at is None:
            self._plan_restart()
        elif time.monotonic() >= self._restart_at:
            self._start()

    def ask_to_stop(self) -> None:
        """Sends SIGTERM; a second one hastens."""
        if self._process.is_alive():
            self._process.terminate()

    def ended_well(self) -> bool:
        """Whether it ended by itself, or was told to before it had begun to serve."""
        return self._process.exitcode in (0, -signal.SIGTERM)

    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.is_alive()

    def kill(self) -> None:
        """Ends it without further ado."""
        self._process.kill()
        self._process.join()

    def _hear_how_it_went(self) -> None:
        """Reads the first thing that the process said: None when it began to serve, or why it could not."""
        try:
            failure: str | None = self._reports.recv()
        except EOFError:
            failure = f"a serving process ended with {self._process.exitcode}"
        if failure is not None:
            raise ChildFailed(failure)
        self._has_served = True

    def _plan_restart(self) -> None:
        mark_process_dead(self._process.pid)  # type: ignore[no-untyped-call]
        if time.monotonic() - self._started_at > LIVED_WELL_S:
            self._delay_s = RESTART_DELAY_MIN_S
        _log.error(
            "serving process %s ended with %s; starting another in %g s",
            self._process.pid,
            self._process.exitcode,
            self._delay_s,
        )
        self._restart_at = time.monotonic() + self._delay_s
        self._delay_s = min(2 * self._delay_s, RESTART_DELAY_MAX_S)


def _serve(settings: Settings, application_factory: ApplicationFactory, reports: Connection) -> None:
    """The other side: the whole life of the process."""
    # A terminal sends Ctrl-C to everyone; the supervisor alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    events = stop_signals(signal.SIGTERM)
    configure_logging(settings.log_format, settings.log_level)
    threading.Thread(target=_stop_without_parent, args=(events,), daemon=True).start()
    try:
        run(
            settings,
            application_factory,
            events,
            reuse_port=True,
            connection_age_max_s=CONNECTION_AGE_MAX_S,
            on_serving=lambda: reports.send(None),
        )
    except Exception as error:
        _log.exception("the serving process failed")
        reports.send(str(error))
        sys.exit(1)


def _stop_without_parent(events: Events) -> None:
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    events.put(Event.STOP_ASKED)
