"""The life of one serving process: start, serve until told to stop, finish what was accepted, go."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeAlias

from server.config import Settings
from server.rpc.application import Application, ApplicationFactory
from server.rpc.metrics import rpc_in_flight
from server.rpc.readiness import ReadinessMonitor
from server.rpc.server import RpcServer, build_server

AFTER_PSP_S: Final = 5.0
"""What a call may need after its PSP has answered, or has not: the second commit and the answer."""

SIGNAL_LATENCY_MAX_S: Final = 0.5
"""How long a signal may go unnoticed that came between the last look for one and the wait for events."""

_log = logging.getLogger(__name__)


class Event(Enum):
    """What the main thread of a server waits for."""

    STOP_ASKED = auto()
    CALLS_ENDED = auto()


Events: TypeAlias = "SimpleQueue[Event]"


def stop_signals(*numbers: signal.Signals) -> Events:
    """A queue in which each of the signals puts STOP_ASKED; putting is safe inside a signal handler."""
    events: Events = SimpleQueue()

    def ask(number: int, frame: Any) -> None:
        events.put(Event.STOP_ASKED)

    for number in numbers:
        signal.signal(number, ask)
    return events


def next_event(events: Events) -> Event:
    """Waits for it, never for long at a time.

    Python runs a signal's handler between two instructions of the main thread. A signal in the last moment
    before a wait interrupts nothing, and without an end of the wait it would be lost.
    """
    while True:
        with suppress(Empty):
            return events.get(timeout=SIGNAL_LATENCY_MAX_S)


def run(
    settings: Settings,
    application_factory: ApplicationFactory,
    events: Events,
    *,
    reuse_port: bool = False,
    connection_age_max_s: float | None = None,
    on_serving: Callable[[], None] = lambda: None,
) -> None:
    """Serves until ``events`` says stop; a second stop hastens.

    Raises PortInUse, and whatever the factory raises.
    """
    application = application_factory(settings)
    try:
        server = build_server(
            settings,
            application.bindings,
            rates=application.call_rates,
            reuse_port=reuse_port,
            connection_age_max_s=connection_age_max_s,
        )

        def show(serving: bool) -> None:
            server.health.show(serving=serving)
            rpc_in_flight.set(server.calls())

        monitor = ReadinessMonitor(application.ready, show)
        server.start()
        monitor.start()
        _log.info("gRPC listens on %s:%d", settings.bind_host, server.port)
        on_serving()
        next_event(events)
        _drain(server, application, events, application.psp_timeout_s + AFTER_PSP_S)
        monitor.stop()
    finally:
        application.close()
    _log.info("stopped")


def _drain(server: RpcServer, application: Application, events: Events, timeout_s: float) -> None:
    """Not serving; no new calls; the accepted ones to their end, then what has outlived its call."""
    _log.info("stopping; finishing what was accepted, for at most %g s", timeout_s)
    ends_at = time.monotonic() + timeout_s
    server.health.shut_down()
    if _finish_calls(server, events, timeout_s):
        ends_at = time.monotonic()
    server.close(max(0.0, ends_at - time.monotonic()))
    application.drain(max(0.0, ends_at - time.monotonic()))


def _finish_calls(server: RpcServer, events: Events, grace_s: float) -> bool:
    """Waits until every call has ended. Returns whether it was told to hurry, and cancelled them."""
    calls_ended = server.stop(grace_s)

    def tell() -> None:
        calls_ended.wait()
        events.put(Event.CALLS_ENDED)

    threading.Thread(target=tell, name="calls-ended", daemon=True).start()
    hurried = False
    while next_event(events) is Event.STOP_ASKED:
        _log.warning("told to stop again; cancelling the calls that are left")
        server.stop(None)
        hurried = True
    return hurried
