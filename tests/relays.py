"""Relays inside the test's own process, on a database of the test's own, and what they published."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
import redis
from confluent_kafka import Consumer, Message, TopicPartition

from payflow.domain.ids import bucket_of, slot_candidates
from payflow.events.cloud_event import from_wire
from payflow.events.published_event import PublishedEvent
from payflow.events.relay.kafka_publisher import KafkaPublisher
from payflow.events.relay.publisher import Publisher
from payflow.events.relay.redis_publisher import RedisPublisher
from payflow.events.relay.relay import Relay
from payflow.store.database.pool import Pool
from payflow.store.relay.pool import relay_pool
from payflow.v1 import events_pb2
from server.worker import loops
from server.worker.loops import Loop
from server.worker.relay import EVENTS_MAX, EVERY_S, build_relay
from tests.databases import Database, wait_for_others
from tests.kafka_clients import admin
from tests.waiting import WAIT_S, wait_until

PAYLOAD = events_pb2.PaymentIntentCreated(amount=1000, currency="USD").SerializeToString()
TICK_S = 1.0

INSERT = """
    INSERT INTO events (
        merchant_id, aggregate_id, aggregate_version, bucket, type, schema_version, payload, occurred_at,
        actor, correlation_id, causation_id, causation_seq, traceparent)
    SELECT %s, %s, version, %s, %s, 1, %s, %s, 'test', 'correlation', %s || version, 0, ''
    FROM unnest(%s::bigint[]) AS version
"""

INSERT_MERCHANT = """
    INSERT INTO merchants VALUES (%s, %s, %s, '', 'TEST', 1, now(), now()) ON CONFLICT DO NOTHING
"""

Numbered = tuple[str, int]


@dataclass(slots=True)
class Writer:
    """Writes events in a transaction that the test ends."""

    connection: psycopg.Connection[Any]
    merchant_id: str = "shop"

    def write(
        self,
        aggregate_id: str,
        *versions: int,
        kind: str = "payment_intent.created",
        payload: bytes = PAYLOAD,
    ) -> None:
        """Events of one aggregate."""
        bucket = bucket_of(self.merchant_id)
        slot, *_ = slot_candidates(self.merchant_id)
        self.connection.execute(INSERT_MERCHANT, (self.merchant_id, bucket, slot))
        cause = f"{aggregate_id}-"
        envelope = (bucket, kind, payload, datetime.now(UTC), cause, list(versions))
        self.connection.execute(INSERT, (self.merchant_id, aggregate_id, *envelope))

    def commit(self) -> None:
        """Ends the transaction."""
        self.connection.commit()


@dataclass(slots=True)
class Stand:
    """A database, and a topic or stream; ``open_publisher`` opens what leads there."""

    database: Database
    topic: str
    open_publisher: Callable[[], Publisher]
    now_s: float = 0.0
    pools: list[Pool] = field(default_factory=list)

    def relay(
        self, open_publisher: Callable[[], Publisher] | None = None, events_max: int = EVENTS_MAX
    ) -> Relay:
        """One more relay, for which time only passes by ``tick``."""
        publisher = open_publisher or self.open_publisher
        return build_relay(
            self._pool(), self.topic, publisher, _utc_now, now_s=lambda: self.now_s, events_max=events_max
        )

    def tick(self) -> None:
        """Makes everything due that is done again and again."""
        self.now_s += 60 * TICK_S

    @contextmanager
    def running(self, open_publisher: Callable[[], Publisher] | None = None) -> Iterator[None]:
        """One more relay, on a thread and in real time."""
        stop = threading.Event()
        pool = self._pool()
        publisher = open_publisher or self.open_publisher
        relay = build_relay(pool, self.topic, publisher, _utc_now, stop.is_set)
        thread = loops.start(Loop("relay", relay.work, EVERY_S, 1, relay.close), stop)
        try:
            yield
        finally:
            stop.set()
            thread.join(WAIT_S)

    def drain(self, *relays: Relay) -> None:
        """Works until there is nothing left to do; what others left open does not hold that back."""
        wait_for_others(self.database)
        for _ in range(3):
            self.tick()
            while sum([relay.work() for relay in relays]):
                pass

    @contextmanager
    def writer(self, merchant_id: str = "shop") -> Iterator[Writer]:
        """Writes events as the application does; what was not committed is rolled back."""
        with psycopg.connect(self.database.application_url) as connection:
            connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
            yield Writer(connection, merchant_id)

    def write(self, aggregate_id: str, *versions: int, merchant_id: str = "shop", **event: Any) -> None:
        """Writes events and commits them."""
        with self.writer(merchant_id) as writer:
            writer.write(aggregate_id, *versions, **event)

    def as_owner(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What the database's owner is answered."""
        with psycopg.connect(self.database.owner_url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), parameters)
            return [] if cursor.description is None else cursor.fetchall()

    def let_leases_end(self) -> None:
        """As if nobody had renewed them in time."""
        self.as_owner("UPDATE relay_parts SET lease_until = now() WHERE owner <> ''")
        self.as_owner("UPDATE relays SET lease_until = now()")

    def owners(self) -> list[str]:
        """Who has the parts, each as often as it has one; nobody is ''."""
        return [row[0] for row in self.as_owner("SELECT owner FROM relay_parts ORDER BY number")]

    def close(self) -> None:
        """Lets go of the database."""
        for pool in self.pools:
            pool.close()

    def _pool(self) -> Pool:
        pool = relay_pool(self.database.application_url)
        pool.open()
        self.pools.append(pool)
        return pool


@contextmanager
def stream_stand(database: Database, valkey_url: str) -> Iterator[tuple[Stand, redis.Redis]]:
    """A stand on a Redis stream of its own, and a client of that Redis."""
    stream = f"events-{uuid4().hex}"
    stand = Stand(database, stream, partial(RedisPublisher, valkey_url, stream))
    client = redis.Redis.from_url(valkey_url)
    try:
        yield stand, client
    finally:
        stand.close()
        client.close()


@contextmanager
def topic_stand(database: Database, brokers: str) -> Iterator[Stand]:
    """A stand on a Kafka topic of its own."""
    topic = f"events-{uuid4().hex}"
    stand = Stand(database, topic, partial(KafkaPublisher, brokers, topic))
    try:
        yield stand
    finally:
        stand.close()


def in_stream(client: redis.Redis, stream: str) -> list[PublishedEvent]:
    """The events in a stream, in order."""
    entries: Any = client.xrange(stream)
    return [_from_fields(fields) for _, fields in entries]


def in_topic(brokers: str, topic: str, at_least: int) -> list[PublishedEvent]:
    """The events in a topic, those of a partition in order, when there are so many different ones or more."""
    client = admin(int(brokers.rpartition(":")[2]))
    wait_until(lambda: topic in client.list_topics(timeout=WAIT_S).topics)
    partitions = client.list_topics(timeout=WAIT_S).topics[topic].partitions
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": uuid4().hex, "log_level": 0})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    found: list[PublishedEvent] = []
    different: set[str] = set()
    for message in iter(lambda: consumer.poll(WAIT_S if len(different) < at_least else 0.5), None):
        assert message.error() is None, message.error()
        received: Any = message.headers()
        headers = {name: value.decode() for name, value in received}
        found.append(from_wire(headers, _value(message)))
        different.add(found[-1].id)
        assert message.key() == found[-1].aggregate_id.encode()
    consumer.close()
    return found


def numbered(events: Sequence[PublishedEvent]) -> list[Numbered]:
    """Aggregates and versions, in order."""
    return [(event.aggregate_id, event.aggregate_version) for event in events]


def first_occurrences(events: Sequence[PublishedEvent]) -> dict[str, list[int]]:
    """Of each aggregate the versions in the order in which they first came."""
    found: dict[str, list[int]] = {}
    for aggregate_id, version in dict.fromkeys(numbered(events)):
        found.setdefault(aggregate_id, []).append(version)
    return found


def _value(message: Message) -> bytes:
    value = message.value()
    assert isinstance(value, bytes)
    return value


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _from_fields(fields: dict[bytes, bytes]) -> PublishedEvent:
    headers = {name.decode(): value.decode() for name, value in fields.items() if name != b"value"}
    return from_wire(headers, fields[b"value"])
