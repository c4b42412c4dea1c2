"""Heads leave the database: each is published at least once, again where a topic has lost them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count

import pytest
import redis

from payflow.domain.proof.published_head import PublishedHead
from payflow.events.proof.heads import HeadPublisher
from payflow.events.proof.published_heads import in_kafka, in_redis
from payflow.events.published_event import PublishedEvent
from payflow.events.relay.kafka_publisher import KafkaPublisher
from payflow.events.relay.publisher import Outcome, Publisher
from payflow.events.relay.redis_publisher import RedisPublisher
from payflow.store.proof.head_cursor import HeadCursor
from tests.databases import Database
from tests.sealed_books import blocks, book_at_random, copy_of, findings, heads, seal
from tests.valkey import running_valkey
from tests.waiting import wait_until

TOPIC = "heads-of-a-test"
NUMBERS = count(1)


@dataclass(frozen=True, slots=True)
class Place:
    """Where heads are published, and read."""

    topic: str
    open_publisher: Callable[[], Publisher]
    read: Callable[[], Iterator[PublishedHead]]
    forget: Callable[[], object]


def _in_redis(url: str, topic: str = TOPIC) -> Place:
    client = redis.Redis.from_url(url)
    return Place(
        topic,
        lambda: RedisPublisher(url, topic),
        lambda: in_redis(url, topic),
        lambda: client.delete(topic),
    )


@pytest.fixture
def stream() -> Iterator[Place]:
    """A Redis stream."""
    with running_valkey() as server:
        yield _in_redis(server.connection_url)


@pytest.fixture
def database(booked: Database) -> Database:
    """A ledger that is sealed."""
    made = copy_of(booked, f"published_{next(NUMBERS)}")
    seal(made)
    return made


def _publish(database: Database, place: Place, seconds: Iterable[float] = count(0, 100)) -> None:
    """Everything that is to be published."""
    clock = iter(seconds)
    cursor = HeadCursor(database.application_url, place.topic)
    wait_until(cursor.is_ours)  # PostgreSQL may take a while to see that the one before has gone
    publisher = HeadPublisher(cursor, place.open_publisher, now_s=lambda: next(clock))
    # Once too often, because the round that finds out what was lost may not be the one that publishes.
    for _ in range(3):
        while publisher.round():
            pass
    publisher.close()


def _read(place: Place) -> set[bytes]:
    return {one.header.head for one in place.read()}


def test_every_head_is_published_once_to_kafka(database: Database, kafka_brokers: str) -> None:
    topic = f"heads-{next(NUMBERS)}"
    place = Place(
        topic,
        lambda: KafkaPublisher(kafka_brokers, topic, topic_settings={"retention.ms": "-1"}),
        lambda: in_kafka(kafka_brokers, topic),
        lambda: None,
    )
    _publish(database, place)
    wanted = sorted(block.head for block in blocks(database))
    there: list[PublishedHead] = []

    def all_are_read() -> bool:
        """A broker that does not tell the true ends, and is busy, seems to have no more."""
        there[:] = place.read()
        return len(there) >= len(wanted)

    wait_until(all_are_read)
    assert sorted(one.header.head for one in there) == wanted
    assert findings(database, there) == []


def test_every_head_is_published_once_to_a_stream(database: Database, stream: Place) -> None:
    _publish(database, stream)
    assert list(stream.read()) == heads(database)
    book_at_random(database, ["late"], 3, seed=8)
    seal(database)
    _publish(database, stream)
    assert sorted(_read(stream)) == sorted(block.head for block in blocks(database))
    assert findings(database, stream.read()) == []


def test_a_topic_that_was_never_there_has_no_heads(kafka_brokers: str, stream: Place) -> None:
    assert list(in_kafka(kafka_brokers, "never-there")) == []
    assert list(stream.read()) == []


def test_a_topic_that_lost_its_log_gets_all_heads_again(database: Database, stream: Place) -> None:
    _publish(database, stream)
    stream.forget()
    _publish(database, stream)
    assert _read(stream) == {block.head for block in blocks(database)}


def test_another_topic_gets_all_heads(database: Database) -> None:
    with running_valkey() as first, running_valkey() as second:
        _publish(database, _in_redis(first.connection_url, "first-heads"))
        place = _in_redis(second.connection_url, "second-heads")
        _publish(database, place)
        assert list(place.read()) == heads(database)


def test_of_two_publishers_one_is_at_work_until_it_is_gone(database: Database, stream: Place) -> None:
    first, second = (
        HeadPublisher(HeadCursor(database.application_url, stream.topic), stream.open_publisher)
        for _ in range(2)
    )
    assert first.round() > 0
    assert second.round() == 0
    book_at_random(database, ["late"], 3, seed=8)
    seal(database)
    assert second.round() == 0
    first.close()
    wait_until(lambda: second.round() > 0)
    second.close()
    assert sorted(one.header.head for one in stream.read()) == sorted(one.head for one in blocks(database))


class _Failing(RedisPublisher):
    """Fails in the middle of the first batch."""

    failures = iter([True])

    def publish(self, events: Iterable[PublishedEvent], goes_on: Callable[[], bool]) -> Outcome:
        taken = list(events)
        if not next(self.failures, False):
            return super().publish(taken, goes_on)
        outcome = super().publish(taken[: len(taken) // 2], goes_on)
        outcome.delivered += [False] * (len(taken) - len(taken) // 2)
        outcome.failure = "the broker is away"
        return outcome


def test_what_was_not_delivered_is_published_again(database: Database) -> None:
    with running_valkey() as server:
        place = _in_redis(server.connection_url)
        failing = Place(TOPIC, lambda: _Failing(server.connection_url, TOPIC), place.read, place.forget)
        _publish(database, failing)
        there = [(one.header.part, one.header.number) for one in place.read()]
        assert sorted(there) == sorted((one.header.part, one.header.number) for one in blocks(database))
