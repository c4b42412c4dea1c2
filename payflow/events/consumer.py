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
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from payflow.domain.backoff import Backoff
from payflow.domain.dead_letter import DeadLetter, GivenUp
from payflow.domain.folding.working_set import MerchantScoped
from payflow.domain.ids import BUCKETS
from payflow.events import consumer_metrics as metrics
from payflow.events.cloud_event import MalformedEventError, from_wire
from payflow.events.letters import event_of, letter_of
from payflow.events.published_event import PublishedEvent
from payflow.events.sorting_out import SortedOut, aggregate_of, sort_out
from payflow.events.source import Message, Source
from payflow.events.transactions import Transactions, passes
from payflow.store import dead_letters, inbox
from payflow.store.statement import DictConnection

log = logging.getLogger(__name__)

NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
EVERY_BUCKET = range(BUCKETS)
RETRIED_AGGREGATES_MAX = 100
PAUSE_S = 0.5


class Handler(Protocol):
    """Has the effect of events, in their order, on the connection of the transaction that notes them.

    It may be called again with the same events, after a rollback; what it does elsewhere is done again, too.
    What it raises takes the whole batch back.
    """

    def __call__(self, connection: DictConnection, events: Sequence[PublishedEvent]) -> None: ...


@dataclass(frozen=True, slots=True)
class ConsumerLimits:
    """An event that fails is tried ``tries_max`` times, with pauses between, then parked."""

    batch_max: int = 500
    wait_s: float = 0.5
    tries_max: int = 5
    pauses: Backoff = field(default=Backoff(first_s=0.05, most_s=1.0))
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
        """``name`` is that of inbox and dead letters. ``conninfo`` leads straight to a PostgreSQL database
        with the tables ``inbox`` and ``dead_letters``. ``stops`` says that nothing new is to be begun.

        Closes ``source`` with itself. Raises ValueError for a name that cannot be one.
        """
        if not NAME.fullmatch(name):
            raise ValueError(
                f"{name!r}: a consumer's name is lower-case letters, digits and hyphens, at most 63"
            )
        self._name = name
        self._source = source
        self._handler = handler
        self._transactions = Transactions(conninfo, name)
        self._limits = limits or ConsumerLimits()
        self._stops = stops
        self._now = now
        self._jitter = random.Random()
        self._unsettled: list[PublishedEvent] | None = None
        self._retries_due_s = 0.0
        self._is_held_up = False

    def work(self) -> int:
        """Retries what operators asked for, then takes one batch, and says how many messages it had.

        What the database, or others at the same rows, keep from being settled stays for the next call.
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
            return 0
        if self._is_held_up:
            log.info("the consumer %s goes on", self._name)
        self._is_held_up = False
        return taken

    def run(self, stop: threading.Event) -> None:
        """Works until ``stop`` is set, then closes. What goes wrong outside of an event is logged."""
        while not stop.is_set():
            try:
                taken = self.work()
            except Exception:
                log.exception("the consumer %s failed", self._name)
                taken = 0
            if not taken:
                stop.wait(PAUSE_S)
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
        found = self._transactions.run(partial(self._apply_once, events))
        self._count(found)

    def _apply_once(self, events: Sequence[PublishedEvent], connection: DictConnection) -> SortedOut:
        found = self._sorted_out(connection, events)
        letters = [letter_of(event) for event in found.waiting]
        dead_letters.append(connection, self._name, letters, self._now())
        self._have_effect(connection, found)
        return found

    def _sorted_out(self, connection: DictConnection, events: Sequence[PublishedEvent]) -> SortedOut:
        aggregates = [aggregate_of(event) for event in events]
        applied = inbox.applied(connection, self._name, aggregates)
        return sort_out(events, applied, dead_letters.held_back(connection, self._name, aggregates))

    def _have_effect(self, connection: DictConnection, found: SortedOut) -> None:
        # First, so that of two members at the same events one finds out before it has worked in vain.
        inbox.advance(connection, self._name, found.versions)
        if found.fresh:
            self._handler(connection, found.fresh)

    def _apply_or_park(self, event: PublishedEvent) -> None:
        failure = self._tried(partial(self._apply, [event]))
        if failure is not None:
            self._transactions.run(partial(self._park, event, failure))

    def _park(self, event: PublishedEvent, failure: Exception, connection: DictConnection) -> None:
        """Unless somebody else has settled it meanwhile."""
        found = self._sorted_out(connection, [event])
        letter = letter_of(event)
        if found.fresh:
            given_up = GivenUp(letter, _told(failure), self._limits.tries_max)
            dead_letters.park(connection, self._name, [given_up], self._now())
        elif found.waiting:
            dead_letters.append(connection, self._name, [letter], self._now())
        if found.fresh:
            metrics.PARKED.labels(self._name).inc()
            log.error(
                "the consumer %s parked an event", self._name, extra={"event": event.id}, exc_info=failure
            )

    def _retry_when_due(self) -> None:
        if time.monotonic() < self._retries_due_s:
            return
        for aggregate in self._transactions.run(self._to_retry):
            while not self._stops() and self._retry(aggregate):
                pass
        self._retries_due_s = time.monotonic() + self._limits.retries_every_s

    def _to_retry(self, connection: DictConnection) -> list[MerchantScoped]:
        return dead_letters.to_retry(connection, self._name, EVERY_BUCKET, RETRIED_AGGREGATES_MAX)

    def _retry(self, aggregate: MerchantScoped) -> bool:
        """Applies an aggregate's first dead letter, or parks it again; False where none is to be tried."""
        taken: list[DeadLetter] = []

        def apply_first() -> None:
            taken[:] = self._transactions.run(partial(self._apply_first, aggregate))

        failure = self._tried(apply_first)
        if failure is None:
            return bool(taken)
        self._transactions.run(partial(self._park_again, aggregate, failure))
        return False

    def _apply_first(self, aggregate: MerchantScoped, connection: DictConnection) -> list[DeadLetter]:
        taken = dead_letters.take(connection, self._name, aggregate, 1)
        applied = inbox.applied(connection, self._name, [aggregate])
        self._have_effect(connection, sort_out(map(event_of, taken), applied, held_back=()))
        dead_letters.remove(connection, taken)
        return taken

    def _park_again(self, aggregate: MerchantScoped, failure: Exception, connection: DictConnection) -> None:
        for failed in dead_letters.take(connection, self._name, aggregate, 1):
            tries = self._limits.tries_max
            dead_letters.park_again(connection, failed, _told(failure), tries, self._now())

    def _tried(self, work: Callable[[], None]) -> Exception | None:
        """Tries until it works or its tries are used up; then, what it failed with last."""
        failure: Exception | None = None
        for tries in range(self._limits.tries_max):
            if failure is not None:
                time.sleep(self._limits.pauses.pause_s(tries - 1, self._jitter))
            try:
                work()
            except Exception as error:
                if passes(error):
                    raise
                failure = error
            else:
                return None
        return failure

    def _count(self, found: SortedOut) -> None:
        metrics.APPLIED.labels(self._name).inc(len(found.fresh))
        metrics.DUPLICATES.labels(self._name).inc(found.duplicates)
        metrics.GAPS.labels(self._name).inc(found.gaps)
        if found.fresh:
            oldest = min(event.occurred_at for event in found.fresh)
            metrics.LAG_S.labels(self._name).set((self._now() - oldest).total_seconds())


def _told(failure: Exception) -> str:
    return f"{type(failure).__name__}: {failure}"
