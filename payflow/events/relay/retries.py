"""Publishes what operators want to have tried again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from payflow.domain.folding.working_set import MerchantScoped
from payflow.domain.stored_event import StoredEvent
from payflow.events.cloud_event import UnpublishableError, to_published
from payflow.events.relay import metrics
from payflow.events.relay.publisher import Outcome, Publisher, PublisherFailedError
from payflow.events.relay.publishing_order import PublishingOrder
from payflow.events.relay.topic_log import TopicLog
from payflow.store.consumers import dead_letters
from payflow.store.database.pool import Pool
from payflow.store.relay.parts import Part, buckets_of, holds, part_of
from payflow.store.relay.reader import RelayReader

RELAY = "relay"
"""The relay's name among the consumers that have dead letters."""

EVERY_S = 1.0
AGGREGATES_MAX = 100
EVENTS_MAX = 100
DATABASE_TIMEOUT_S = 10.0


class Retries:
    """Takes up dead letters of the parts that the relay holds: what was parked, then what waits behind it."""

    def __init__(
        self,
        pool: Pool,
        reader: RelayReader,
        order: PublishingOrder,
        topic: TopicLog,
        now: Callable[[], datetime],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._reader = reader
        self._order = order
        self._topic = topic
        self._now = now
        self._now_s = now_s
        self._due_s = 0.0

    def work(self, publisher: Publisher, held: Sequence[Part], goes_on: Callable[[], bool]) -> bool:
        """Looks when that is due; False where the log turned out to be another one.

        Raises PublisherFailedError.
        """
        if self._now_s() < self._due_s:
            return True
        self._due_s = self._now_s() + EVERY_S
        parts = {part.number: part for part in held}
        buckets = [bucket for part in held for bucket in buckets_of(part.number)]
        with self._pool.transaction(_deadline()) as connection:
            asked_for = dead_letters.to_retry(connection, RELAY, buckets, AGGREGATES_MAX)
        for aggregate in asked_for:
            if not self._retry(aggregate, parts[part_of(aggregate[0])], publisher, goes_on):
                return False
        return True

    def _retry(
        self, aggregate: MerchantScoped, part: Part, publisher: Publisher, goes_on: Callable[[], bool]
    ) -> bool:
        with self._pool.transaction(_deadline()) as connection:
            letters = dead_letters.take(connection, RELAY, aggregate, EVENTS_MAX)
        versions = [one.letter.aggregate_version for one in letters]
        published: set[int] = set()
        ends: dict[int, int] = {}
        outcome = Outcome()
        for stored in self._reader.versions(aggregate, versions, _deadline()):
            outcome = _published(stored, publisher, goes_on)
            ends |= outcome.ends
            if outcome.lost_its_log:
                return False
            if outcome.delivered != [True]:
                break
            published.add(stored.aggregate_version)
        self._order.forget(aggregate)
        metrics.PUBLISHED.inc(len(published))
        self._settle(aggregate, part, published, ends, outcome.refused.get(0, ""))
        if outcome.failure:
            raise PublisherFailedError(outcome.failure)
        return True

    def _settle(
        self, aggregate: MerchantScoped, part: Part, published: set[int], ends: Mapping[int, int], error: str
    ) -> None:
        """Unless the part, or the operator's wish, is another one by now."""
        with self._pool.transaction(_deadline()) as connection:
            if not holds(connection, part):
                return
            letters = dead_letters.take(connection, RELAY, aggregate, EVENTS_MAX)
            done = [one for one in letters if one.letter.aggregate_version in published]
            dead_letters.remove(connection, done)
            rest = letters[len(done) :]
            if error and rest:
                dead_letters.park_again(connection, rest[0], error, 1, self._now())
            self._topic.reach(connection, ends)


def _published(stored: StoredEvent, publisher: Publisher, goes_on: Callable[[], bool]) -> Outcome:
    try:
        event = to_published(stored)
    except UnpublishableError as error:
        return Outcome(refused={0: str(error)})
    return publisher.publish([event], goes_on)


def _deadline() -> float:
    return time.monotonic() + DATABASE_TIMEOUT_S
