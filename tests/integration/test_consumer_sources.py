"""Consumers of a Kafka topic and of a Redis stream apply events once, whoever comes, goes or is killed."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import count

import pytest
import redis
from confluent_kafka import Producer

from payflow.events.cloud_event import headers_of
from payflow.events.consumer import Consumer, ConsumerLimits
from payflow.events.consumer.kafka_source import KafkaSource
from payflow.events.consumer.redis_source import RedisSource
from payflow.events.published_event import PublishedEvent
from tests.databases import Database
from tests.effects import Effects, create_effects, effects_of, event
from tests.kafka_clients import make_topic
from tests.ports import free_port
from tests.tansu import running_tansu
from tests.waiting import WAIT_S, wait_until

AGGREGATES = 12
VERSIONS = 20
PARTITIONS = 4
MISSED_AFTER_S = 2.0
EVENTS = [event(f"pi_{n % AGGREGATES}", n // AGGREGATES + 1) for n in range(AGGREGATES * VERSIONS)]
EXPECTED = {f"pi_{n}": list(range(1, VERSIONS + 1)) for n in range(AGGREGATES)}
LIMITS = ConsumerLimits(batch_max=16, wait_s=0.1)

numbers = count(1)


@pytest.fixture(scope="module", autouse=True)
def effects_table(database: Database) -> None:
    create_effects(database.owner_url)


@pytest.fixture(scope="module")
def kafka() -> Iterator[str]:
    with running_tansu(free_port()) as address:
        yield address


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("payflow.events.consumer.redis_source.TIMEOUT_S", WAIT_S)


@pytest.fixture
def topic() -> str:
    """A topic or stream of the test's own, and the consumer's name."""
    return f"events-{next(numbers)}"


@pytest.fixture(params=["kafka", "redis"])
def address(request: pytest.FixtureRequest, topic: str) -> str:
    """Where the events are."""
    if request.param == "redis":
        url = str(request.getfixturevalue("valkey_url"))
        fill_stream(url, topic, EVENTS)
        return url
    brokers = str(request.getfixturevalue("kafka"))
    make_topic(int(brokers.rpartition(":")[2]), topic, PARTITIONS)
    fill_topic(brokers, topic, EVENTS)
    return brokers


def fill_topic(brokers: str, topic: str, events: list[PublishedEvent]) -> None:
    producer = Producer({"bootstrap.servers": brokers})
    for one in events:
        producer.produce(topic, one.data, one.aggregate_id, headers=dict(headers_of(one)))
    assert producer.flush(WAIT_S) == 0


def fill_stream(url: str, stream: str, events: list[PublishedEvent]) -> None:
    with redis.Redis.from_url(url) as client:
        for one in events:
            client.xadd(stream, {**headers_of(one), "value": one.data})


def is_done(database: Database, name: str) -> bool:
    applied = effects_of(database.owner_url, name)
    return sum(map(len, applied.values())) >= len(EVENTS)


def test_killed_between_its_commit_and_that_of_its_source_it_applies_each_event_once(
    database: Database, address: str, topic: str
) -> None:
    def started(batches: int) -> subprocess.Popen[bytes]:
        arguments = [database.application_url, topic, address, topic, str(MISSED_AFTER_S), str(batches)]
        return subprocess.Popen([sys.executable, "-m", "tests.killable_consumer", *arguments])

    for batches in (1,):
        assert started(batches).wait(WAIT_S) < 0
    assert not is_done(database, topic)
    last = started(1_000)
    wait_until(lambda: is_done(database, topic))
    last.terminate()
    assert last.wait(WAIT_S) == 0
    assert effects_of(database.owner_url, topic) == EXPECTED


def test_members_that_come_and_go_apply_each_event_once(database: Database, kafka: str, topic: str) -> None:
    make_topic(int(kafka.rpartition(":")[2]), topic, PARTITIONS)
    published: list[PublishedEvent] = []

    def publish(version: int) -> None:
        added = [event(f"pi_{number}", version) for number in range(AGGREGATES)]
        fill_topic(kafka, topic, added)
        published.extend(added)

    def member(effects: Effects) -> tuple[threading.Thread, threading.Event]:
        stop = threading.Event()
        from_topic = KafkaSource(kafka, topic, topic, MISSED_AFTER_S)
        consumer = Consumer(topic, from_topic, effects, database.application_url, limits=LIMITS)
        thread = threading.Thread(target=consumer.run, args=[stop])
        thread.start()
        return thread, stop

    def is_applied() -> bool:
        return sum(map(len, effects_of(database.owner_url, topic).values())) == len(published)

    effects = [Effects(topic) for _ in range(2)]
    members = []
    version = 1
    for joining in effects:
        members.append(member(joining))
        while not joining.tried:
            publish(version)
            version += 1
            wait_until(is_applied)
    (first, first_stops), (second, second_stops) = members
    first_stops.set()
    first.join(WAIT_S)
    publish(version)
    wait_until(is_applied)
    second_stops.set()
    second.join(WAIT_S)
    applied = effects_of(database.owner_url, topic)
    assert applied == {f"pi_{number}": list(range(1, version + 1)) for number in range(AGGREGATES)}


def test_two_who_read_a_stream_at_once_get_the_same_and_apply_it_once(
    database: Database, valkey_url: str, topic: str
) -> None:
    """As when one lost its lease and does not know yet."""
    fill_stream(valkey_url, topic, EVENTS)
    sources = [RedisSource(valkey_url, topic, topic) for _ in range(2)]
    members = [
        Consumer(topic, one, Effects(topic), database.application_url, limits=LIMITS) for one in sources
    ]
    with redis.Redis.from_url(valkey_url) as client:
        while not is_done(database, topic):
            for one in members:
                client.delete(f"{topic}:{topic}:reader")
                one.work()
    for one in members:
        one.close()
    assert effects_of(database.owner_url, topic) == EXPECTED


def test_a_member_without_the_lease_waits(database: Database, valkey_url: str, topic: str) -> None:
    fill_stream(valkey_url, topic, EVENTS)
    reader, other = (RedisSource(valkey_url, topic, topic, lease_s=WAIT_S) for _ in range(2))
    assert len(reader.poll(10, 0)) == 10
    assert other.poll(10, 0) == []
    reader.close()
    assert len(other.poll(10, 0)) == 10
    other.close()


def test_a_stream_that_was_lost_is_read_from_its_new_beginning(valkey_url: str, topic: str) -> None:
    fill_stream(valkey_url, topic, EVENTS[:5])
    reader = RedisSource(valkey_url, topic, topic)
    assert len(reader.poll(10, 0)) == 5
    reader.commit()
    assert reader.poll(10, 0) == []
    with redis.Redis.from_url(valkey_url) as client:
        client.delete(topic)
    fill_stream(valkey_url, topic, EVENTS[:7])
    assert len(reader.poll(10, 0)) == 7
    reader.close()


def test_an_entry_of_others_is_read_whatever_is_in_it(valkey_url: str, topic: str) -> None:
    with redis.Redis.from_url(valkey_url) as client:
        client.xadd(topic, {b"\xff": b"\xff"})
    reader = RedisSource(valkey_url, topic, topic)
    assert [found.headers for found in reader.poll(10, 0)] == [{"\ufffd": "\ufffd"}]
    reader.close()
