"""Applies events once each, in the order of their aggregates, wherever and however often it is interrupted.

A batch is one serializable transaction: what was applied before is dropped by the inbox, what belongs behind
a dead letter is put there, the rest goes through the handler, and the inbox notes it. Only then are the
messages committed at their source. How to write one: docs/events.md.
"""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from payflow.domain.backoff import Backoff
from payflow.domain.folding.working_set import MerchantScoped
from payflow.events.cloud_event import MalformedEventError, from_wire
from payflow.events.consumer import metrics
from payflow.events.consumer.applying import Applying, Handler
from payflow.events.consumer.source import Message, Source
from payflow.events.consumer.transactions import Transactions, passes
from payflow.events.published_event import PublishedEvent

log = logging.getLogger(__name__)

NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class ConsumerLimits:
    """Of an event that fails: it is tried ``tries_max`` times, with pauses between, and then parked."""

    batch_max: int = 500
    wait_s: float = 0.5
    tries_max: int = 5
    pause_first_s: float = 0.05
    pause_max_s: float = 1.0
    retries_every_s: float = 1.0


def utc_now() -> datetime:
    """The machine's time."""
    return datetime.now(UTC)


class Consumer:
    """One member of a consumer; any number may run, in one process or several. Not for several threads."""

    def __init__(
        self,
        name: str,
        source: Source,
        handler: Handler,
        conninfo: str,
        *,
        limits: ConsumerLimits | None = None,
        stops: Callable[[], bool] = lambda: False,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """``name`` is that of inbox and dead letters; ``source`` is closed with the consumer.

        ``conninfo`` leads straight to a PostgreSQL database with the tables ``inbox`` and ``dead_letters``.
        ``stops`` says that nothing new is to be begun. Raises ValueError for a name that cannot be one.
        """
        if not NAME.fullmatch(name):
            expected = "a lower-case letter, then at most 62 of lower-case letters, digits and hyphens"
            raise ValueError(f"name {name!r}: expected {expected}")
        self._name = name
        self._source = source
        self._transactions = Transactions(conninfo)
        self._applying = Applying(name, handler, self._transactions, now)
        self._limits = limits or ConsumerLimits()
        self._pauses = Backoff(self._limits.pause_first_s, self._limits.pause_max_s)
        self._stops = stops
        self._now = now
        self._jitter = random.Random()
        self._unsettled: list[PublishedEvent] | None = None
        self._retries_due_s = 0.0
        self._is_held_up = False

    def work(self) -> int:
        """Retries what operators asked for, then takes one batch, and says how many messages it had.

        What cannot be settled because the database is away, or others are at the same rows, stays for the
        next call.
        """
        try:
            self._retry_when_due()
            taken = self._take()
        except Exception as error:
            if not passes(error):
                raise
            if not self._is_held_up:
                log.warning("the consumer %s waits: %s", self._name, error)
            self._is_held_up = True
            self._note_lag(self._unsettled or ())
            return 0
        if self._is_held_up:
            log.info("the consumer %s goes on", self._name)
        self._is_held_up = False
        return taken

    def run(self, stop: threading.Event) -> None:
        """Works until ``stop`` is set, by a signal's handler too, then closes.

        What goes wrong is logged and tried again.
        """
        while not stop.is_set():
            try:
                taken = self.work()
            except Exception:
                log.exception("the consumer %s failed", self._name)
                taken = 0
            if not taken:
                # Not stop.wait: a handler that sets it in the middle of that would wait for its lock.
                time.sleep(PAUSE_S)
        self.close()

    def close(self) -> None:
        """Leaves the group and lets go of the database."""
        self._source.close()
        self._transactions.close()

    def _take(self) -> int:
        if self._unsettled is None:
            messages = self._source.poll(self._limits.batch_max, self._limits.wait_s)
            if not messages:
                return 0
            self._unsettled = [event for message in messages if (event := self._event(message))]
        taken = max(1, len(self._unsettled))
        if self._settle(self._unsettled):
            self._unsettled = None
            self._source.commit()
        return taken

    def _event(self, message: Message) -> PublishedEvent | None:
        try:
            return from_wire(message.headers, message.value)
        except MalformedEventError as error:
            metrics.FOREIGN.labels(self._name).inc()
            log.warning("the consumer %s passes a message over: %s", self._name, error)
            return None

    def _settle(self, events: Sequence[PublishedEvent]) -> bool:
        """Applies or parks all of them; False where it was stopped before the last."""
        try:
            self._apply(events)
        except Exception as error:
            if passes(error):
                raise
            log.info("the consumer %s takes a batch apart, which failed: %s", self._name, error)
            for event in events:
                if self._stops():
                    return False
                self._apply_or_park(event)
        return True

    def _apply(self, events: Sequence[PublishedEvent]) -> None:
        found = self._applying.apply(events)
        metrics.APPLIED.labels(self._name).inc(len(found.fresh))
        metrics.DUPLICATES.labels(self._name).inc(found.duplicates)
        metrics.GAPS.labels(self._name).inc(found.gaps)
        self._note_lag(found.fresh)

    def _note_lag(self, events: Sequence[PublishedEvent]) -> None:
        if events:
            oldest = min(event.occurred_at for event in events)
            metrics.LAG_S.labels(self._name).set((self._now() - oldest).total_seconds())

    def _apply_or_park(self, event: PublishedEvent) -> None:
        failure = self._tried(lambda: self._apply([event]))
        if failure is None or not self._applying.park(event, _told(failure), self._limits.tries_max):
            return
        metrics.PARKED.labels(self._name).inc()
        log.error("the consumer %s parked %s", self._name, event.id, exc_info=failure)

    def _retry_when_due(self) -> None:
        if time.monotonic() < self._retries_due_s:
            return
        for aggregate in self._applying.to_retry():
            while not self._stops() and self._retried(aggregate):
                pass
        self._retries_due_s = time.monotonic() + self._limits.retries_every_s

    def _retried(self, aggregate: MerchantScoped) -> bool:
        """Whether one more of the aggregate's dead letters was applied."""
        applied = False

        def retry() -> None:
            nonlocal applied
            applied = self._applying.retry(aggregate)

        failure = self._tried(retry)
        if failure is not None:
            self._applying.park_again(aggregate, _told(failure), self._limits.tries_max)
        return applied

    def _tried(self, work: Callable[[], None]) -> Exception | None:
        """Tries until it works or its tries are used up; then, what it failed with last."""
        failure: Exception | None = None
        for tries in range(self._limits.tries_max):
            if failure is not None:
                time.sleep(self._pauses.pause_s(tries - 1, self._jitter))
            try:
                work()
            except Exception as error:
                if passes(error):
                    raise
                failure = error
            else:
                return None
        return failure


def _told(failure: Exception) -> str:
    return f"{type(failure).__name__}: {failure}"
