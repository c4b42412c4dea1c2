"""Publishes every committed event at least once, those of an aggregate in their order.

Several relays share the parts of the buckets. A round reads what has settled behind the cursors of the parts
that this relay holds, publishes it, and moves the cursors up to where everything is delivered: one UPDATE a
round. Whatever goes wrong, the next round begins at the cursors: nothing is missed, and something may be
published again.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from payflow.domain.backoff import Backoff
from payflow.domain.errors import PayFlowError
from payflow.domain.folding.working_set import MerchantScoped
from payflow.events.relay import metrics
from payflow.events.relay.batch import Batch, Reached, Suspects, given_up, letter
from payflow.events.relay.leases import Leases
from payflow.events.relay.publisher import Publisher, PublisherFailedError
from payflow.events.relay.publishing_order import PublishingOrder
from payflow.events.relay.retries import RELAY, Retries
from payflow.events.relay.topic_log import TopicLog
from payflow.store.consumers import dead_letters
from payflow.store.database.horizon import horizon
from payflow.store.database.pool import Pool
from payflow.store.relay.parts import Cursor, Part, RelayParts
from payflow.store.relay.reader import Outgoing, RelayReader

log = logging.getLogger(__name__)

PAUSES = Backoff(first_s=0.2, most_s=5.0)
DATABASE_TIMEOUT_S = 10.0


class Relay:
    """One of any number of relays. Not for several threads."""

    def __init__(
        self,
        pool: Pool,
        parts: RelayParts,
        reader: RelayReader,
        leases: Leases,
        topic: TopicLog,
        open_publisher: Callable[[], Publisher],
        now: Callable[[], datetime],
        stops: Callable[[], bool] = lambda: False,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """``open_publisher`` raises PublisherFailedError. ``stops`` says that nothing new is to be begun."""
        self._pool = pool
        self._parts = parts
        self._reader = reader
        self._leases = leases
        self._topic = topic
        self._open_publisher = open_publisher
        self._now = now
        self._stops = stops
        self._now_s = now_s
        self._publisher: Publisher | None = None
        self._order = PublishingOrder()
        self._suspects = Suspects()
        self._retries = Retries(pool, reader, self._order, topic, now, now_s)
        self._jitter = random.Random()
        self._failures = 0
        self._rests_until_s = 0.0
        self._read_up_to = (-1, -1)

    def work(self) -> int:
        """One round; how many events it was about."""
        try:
            self._leases.keep()
            if self._now_s() < self._rests_until_s:
                return 0
            self._balance()
            return self._round() if self._leases.held else 0
        except (PublisherFailedError, PayFlowError) as error:
            self._fail(str(error))
            return 0

    def close(self) -> None:
        """Gives back what this relay holds."""
        self._throw_away()
        self._leases.close()

    def _balance(self) -> None:
        hands = self._leases.hands
        self._leases.balance()
        if self._leases.hands != hands:
            self._order.forget_all()

    def _round(self) -> int:
        publisher = self._ready_publisher()
        if publisher is None:
            return 0
        if not self._retries.work(publisher, self._leases.held, self._goes_on):
            self._lose(publisher)
            return 1
        outgoing, cursors = self._read()
        if not outgoing and not cursors:
            return 0
        batch = Batch(outgoing, self._held_back(outgoing), self._order, self._suspects)
        outcome = batch.publish(publisher, self._goes_on)
        reached = batch.reached()
        metrics.PUBLISHED.inc(reached.delivered)
        if outcome.lost_its_log:
            self._lose(publisher)
            return len(outgoing)
        reached.cursors |= cursors
        self._settle(reached, outcome.ends)
        if outcome.failure:
            raise PublisherFailedError(outcome.failure)
        self._succeed()
        return len(outgoing) + len(cursors)

    def _ready_publisher(self) -> Publisher | None:
        """None where everything is to be published again, by whoever takes the parts next."""
        is_new = self._publisher is None
        if self._publisher is None:
            self._publisher = self._open_publisher()
        if self._topic.is_lost(self._publisher, at_once=is_new):
            self._start_over()
        return self._publisher

    def _read(self) -> tuple[list[Outgoing], dict[int, Cursor]]:
        """The next events, and cursors of parts that move without any."""
        held = self._leases.held
        outgoing = self._settled([part for part in held if not part.cursor.from_beginning])
        moved = {}
        for part in held:
            if part.cursor.from_beginning:
                page, cursor = self._reader.from_beginning(part, _deadline())
                outgoing += page
                if not page:
                    moved[part.number] = cursor
        return outgoing, moved

    def _settled(self, parts: Sequence[Part]) -> list[Outgoing]:
        """Nothing is looked for while no transaction has ended since nothing was found."""
        now = (horizon(self._pool, _deadline()).oldest_open, self._leases.hands)
        if not parts or now == self._read_up_to:
            return []
        outgoing = self._reader.next(parts, _deadline())
        self._read_up_to = (-1, -1) if outgoing else now
        return outgoing

    def _held_back(self, outgoing: Sequence[Outgoing]) -> dict[MerchantScoped, int]:
        aggregates = ((one.stored.merchant_id, one.stored.aggregate_id) for one in outgoing)
        with self._pool.transaction(_deadline()) as connection:
            return dead_letters.held_back(connection, RELAY, aggregates)

    def _settle(self, reached: Reached, ends: Mapping[int, int]) -> None:
        """Moves the cursors of those parts that are still this relay's, together with their dead letters."""
        parts = [
            replace(part, cursor=reached.cursors[part.number])
            for part in self._leases.held
            if part.number in reached.cursors
        ]
        if not parts:
            return
        now = self._now()
        with self._pool.transaction(_deadline()) as connection:
            kept = self._parts.advance(connection, parts)
            parked = [given_up(item) for item in reached.given_up if item.outgoing.part in kept]
            waiting = [letter(item.outgoing.stored) for item in reached.waiting if item.outgoing.part in kept]
            dead_letters.park(connection, RELAY, parked, now)
            dead_letters.append(connection, RELAY, waiting, now)
            if kept:
                self._topic.reach(connection, ends)
        metrics.PARKED.inc(len(parked))
        self._leases.move(part for part in parts if part.number in kept)
        self._leases.lose(part.number for part in parts if part.number not in kept)

    def _goes_on(self) -> bool:
        """Keeps the leases while something is on its way."""
        try:
            self._leases.keep()
        except PayFlowError as error:
            log.debug("the leases are not renewed: %s", error)
        return not self._stops() and bool(self._leases.held)

    def _succeed(self) -> None:
        if self._failures:
            log.info("the relay goes on")
        self._failures = 0

    def _lose(self, publisher: Publisher) -> None:
        """The log is another one than it was."""
        self._topic.lose(publisher)
        self._start_over()

    def _start_over(self) -> None:
        """The topic may have to be made anew, and every part has changed hands."""
        self._throw_away()
        self._leases.lose_all()

    def _throw_away(self) -> None:
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None

    def _fail(self, reason: str) -> None:
        """A publisher that failed is thrown away; the next one begins at the cursors."""
        metrics.FAILURES.inc()
        self._throw_away()
        if not self._failures:
            log.warning("the relay waits: %s", reason)
        self._rests_until_s = self._now_s() + PAUSES.pause_s(self._failures, self._jitter)
        self._failures += 1


def _deadline() -> float:
    return time.monotonic() + DATABASE_TIMEOUT_S
