"""Several serving processes on one port: started, watched, restarted with patience, and stopped."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from dataclasses import replace
from queue import Empty
from typing import Final

from server.config import Settings
from server.rpc.application import ApplicationFactory
from server.rpc.child import Child
from server.rpc.exposition import DIRECTORY_VARIABLE, expose_metrics
from server.rpc.lifetime import Event, Events

LOOK_INTERVAL_S: Final = 0.2

STOP_TIMEOUT_S: Final = 320.0
"""What a child gets to end in before it is killed: the longest time-out of a PSP, and time to close."""

_log = logging.getLogger(__name__)


def supervise(settings: Settings, application_factory: ApplicationFactory, port: int, events: Events) -> int:
    """Runs GRPC_PROCESSES children on ``port`` until ``events`` says stop. Returns the exit code.

    Raises ChildFailed when one of them could never serve, and PortInUse for the metrics' port.
    """
    with tempfile.TemporaryDirectory(prefix="payflow-metrics-") as directory:
        os.environ[DIRECTORY_VARIABLE] = directory
        expose_metrics(settings, directory)
        child_settings = replace(settings, grpc_port=port)
        children: list[Child] = []
        try:
            for _ in range(settings.grpc_processes):
                children.append(Child(child_settings, application_factory))
            _tend_until_stop(children, events)
        finally:
            _stop(children, events, STOP_TIMEOUT_S)
    return 0 if all(child.ended_well() for child in children) else 1


def _tend_until_stop(children: list[Child], events: Events) -> None:
    while not _stop_asked(events):
        for child in children:
            child.tend()


def _stop(children: list[Child], events: Events, timeout_s: float) -> None:
    """Passes the stop on, and every further one; kills what is left after ``timeout_s``."""
    ends_at = time.monotonic() + timeout_s
    for child in children:
        child.ask_to_stop()
    while any(child.is_alive() for child in children):
        if time.monotonic() >= ends_at:
            _log.error("a serving process does not end; killing it")
            for child in children:
                child.kill()
        elif _stop_asked(events):
            for child in children:
                child.ask_to_stop()


def _stop_asked(events: Events) -> bool:
    try:
        return events.get(timeout=LOOK_INTERVAL_S) is Event.STOP_ASKED
    except Empty:
        return False
