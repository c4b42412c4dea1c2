"""A consumer whose effect is to note every event, and events for it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psycopg

from payflow.events.cloud_event import headers_of
from payflow.events.consumer import Consumer
from payflow.events.consumer.source import Message
from payflow.events.published_event import PublishedEvent
from payflow.store.database.statement import DictConnection

CREATE = """
    CREATE TABLE effects (
        number bigint GENERATED ALWAYS AS IDENTITY, consumer text, merchant_id text, aggregate_id text,
        aggregate_version bigint);
    GRANT SELECT, INSERT ON effects TO payflow_application
"""
NOTE = "INSERT INTO effects (consumer, merchant_id, aggregate_id, aggregate_version) VALUES (%s, %s, %s, %s)"
NOTED = """
    SELECT aggregate_id, array_agg(aggregate_version ORDER BY number)
    FROM effects WHERE consumer = %s GROUP BY aggregate_id
"""

MERCHANT = "merchant_test"
HAPPENED_AT = datetime(2030, 1, 1, tzinfo=UTC)


class PoisonError(Exception):
    """What the handler says about an event that it does not bear."""


@dataclass(slots=True)
class Effects:
    """Fulfils payflow.events.consumer.Handler; ``poison`` are ids of events that fail."""

    consumer: str
    poison: Collection[str] = ()
    tried: list[str] = field(default_factory=list)

    def __call__(self, connection: DictConnection, events: Sequence[PublishedEvent]) -> None:
        for event in events:
            self.tried.append(event.id)
            if event.id in self.poison:
                raise PoisonError(f"{event.id} is poison")
            key = (event.merchant_id, event.aggregate_id, event.aggregate_version)
            connection.execute(NOTE, (self.consumer, *key))


def create_effects(owner_url: str) -> None:
    """Makes the table that the effects are noted in."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute(CREATE)


def effects_of(url: str, consumer: str) -> dict[str, list[int]]:
    """The versions of each aggregate that took effect, in the order in which they did."""
    with psycopg.connect(url) as connection:
        return dict(connection.execute(NOTED, [consumer]).fetchall())


def event(aggregate_id: str, version: int) -> PublishedEvent:
    """One that says nothing beyond where it belongs."""
    return PublishedEvent(
        id=f"{aggregate_id}:{version}",
        type="payment_intent.created",
        schema_version=1,
        merchant_id=MERCHANT,
        aggregate_id=aggregate_id,
        aggregate_version=version,
        occurred_at=HAPPENED_AT,
        actor="tests",
        correlation_id="correlation",
        causation_id=f"command-{version}",
        traceparent="",
        data=b"{}",
    )


def drain(consumer: Consumer) -> None:
    """Works until nothing is left, however long the database keeps it waiting."""
    while consumer.work() or consumer._is_held_up:
        pass


def message(published: PublishedEvent) -> Message:
    """The event as a source delivers it."""
    return Message(headers_of(published), published.data)


@dataclass(slots=True)
class Shelf:
    """A log in memory, and how far its group has committed; fulfils payflow.events.consumer.source.Source.

    ``forgets`` loses commits, as a broker or a death may.
    """

    log: list[Message] = field(default_factory=list)
    committed: int = 0
    forgets: bool = False
    is_closed: bool = False
    _next: int | None = None

    def poll(self, batch_max: int, wait_s: float) -> list[Message]:
        start = self.committed if self._next is None else self._next
        polled = self.log[start : start + batch_max]
        self._next = start + len(polled)
        return polled

    def commit(self) -> None:
        if self._next is not None and not self.forgets:
            self.committed = self._next

    def close(self) -> None:
        self.is_closed = True

    def begin_at(self, position: int) -> None:
        """Delivers from there again, as after a rebalance."""
        self._next = position

    def put(self, *events: PublishedEvent) -> None:
        """Appends to the log."""
        self.log.extend(message(one) for one in events)
