"""Tells how many events wait for an operator, and for how long."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from prometheus_client import Gauge

from payflow.domain.dead_letter import Standing
from server.worker.side_by_side import READ_TIMEOUT_S

PARKED = Gauge(
    "payflow_dead_letters_parked",
    "Aggregates that a consumer does not go on with until an operator decides; alarm on any.",
    ["consumer"],
    multiprocess_mode="mostrecent",
)
OLDEST_PARKED_S = Gauge(
    "payflow_dead_letters_oldest_parked_seconds",
    "Age of the oldest of them; 0 where there is none.",
    ["consumer"],
    multiprocess_mode="mostrecent",
)
EVENTS = Gauge(
    "payflow_dead_letters_events",
    "Events that a consumer has not taken: parked, behind a parked one, or to be tried again.",
    ["consumer"],
    multiprocess_mode="mostrecent",
)


class Reader(Protocol):
    """Fulfilled by payflow.store.consumers.dead_letters_reader.DeadLettersReader."""

    def standings(self, deadline: float) -> list[Standing]: ...


class DeadLetterFigures:
    """Measures every consumer that ever had dead letters since the process began."""

    def __init__(self, reader: Reader, now: Callable[[], datetime]) -> None:
        self._reader = reader
        self._now = now
        self._known: set[str] = set()

    def measure(self) -> int:
        """Sets the figures; always 0, because nothing is left to be done."""
        found = {one.consumer: one for one in self._reader.standings(time.monotonic() + READ_TIMEOUT_S)}
        self._known |= found.keys()
        for consumer in self._known:
            one = found.get(consumer, Standing(consumer, 0, None, 0))
            since = one.oldest_parked_at
            PARKED.labels(consumer).set(one.parked)
            OLDEST_PARKED_S.labels(consumer).set((self._now() - since).total_seconds() if since else 0)
            EVENTS.labels(consumer).set(one.events)
        return 0
