"""Events published a second by one relay, beside the bare producer with the same messages, in one run.

Run with ``make benchmark-relay``. A server posts bulks of transactions for many merchants until there are as
many events as asked for (50,000 when not); then a relay publishes them to Apache Kafka, or to the broker that
tests use where there is no Java. Meanwhile what the relay costs the database is counted. Last, a relay runs
beside a server that takes as many bulks as it can: how far is it behind when they end?
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from payflow.events.relay.kafka_publisher import PARTITIONS, SETTINGS, KafkaPublisher
from payflow.events.relay.relay import Relay
from payflow.store.relay.pool import relay_pool
from payflow.store.schema import migrate
from server.clock import SystemClock
from server.worker.relay import build_relay
from tests.apache_kafka.node import running_apache_kafka
from tests.databases import Database
from tests.kafka_clients import make_topic
from tests.ledger_caller import LedgerCaller
from tests.ports import free_port
from tests.services import PostgresCluster, embedded_postgres, running_cluster
from tests.stack import Stack, running_stack
from tests.tansu import running_tansu
from tests.waiting import WAIT_S, wait_until

EVENTS = 50_000
BULK = 500
MERCHANTS = 50
CALLERS = 4
PEAK_S = 20.0
TOPIC, BARE_TOPIC = "relayed", "bare"
READY = b"worker ready"

COUNT = "SELECT count(*) FROM events"
WAL = "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"
STATEMENTS = """
    SELECT coalesce(sum(calls), 0)::bigint, coalesce(sum(rows), 0)::bigint,
           coalesce(sum(shared_blks_hit + shared_blks_read), 0)::bigint
    FROM pg_stat_statements
    WHERE userid = 'payflow_app'::regrole
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What was asked of the database."""

    statements: int
    rows: int
    blocks: int
    wal_bytes: int


def main() -> None:
    """Prints a line for the producer and one for the relay, what an event costs, and how the peak went."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    with tempfile.TemporaryDirectory() as name, running_cluster(embedded_postgres()) as cluster:
        _count_statements(cluster)
        database = Database.on(cluster.server, "postgres")
        migrate.up(database.owner_url, database.application_url)
        with _broker(Path(name)) as (broker, brokers), running_stack(database, Path(name)) as stack:
            port = int(brokers.rpartition(":")[2])
            for topic in (TOPIC, BARE_TOPIC):
                make_topic(port, topic, PARTITIONS)
            address = stack.serve(())
            with _relay(database, brokers) as relay:
                _post(address, wanted)
                relay_s, cost = _measured(database, partial(_publish, relay, database))
            messages = _messages(brokers)
            bare_s = _produce(brokers, messages)
            _print_rates(broker, len(messages), bare_s, relay_s, cost)
            _peak(stack, database, address, brokers)


@contextmanager
def _broker(directory: Path) -> Iterator[tuple[str, str]]:
    """Its name, and KAFKA_BROKERS."""
    with ExitStack() as opened:
        port = free_port()
        try:
            opened.enter_context(running_apache_kafka(directory, port))
        except pytest.skip.Exception as reason:
            print(reason)
            yield "the tests' own broker", opened.enter_context(running_tansu(port))
        else:
            yield "Apache Kafka", f"127.0.0.1:{port}"


def _count_statements(cluster: PostgresCluster) -> None:
    with psycopg.connect(cluster.server.url(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
    cluster.stop()
    cluster.start()
    with psycopg.connect(cluster.server.url(), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")


@contextmanager
def _relay(database: Database, brokers: str) -> Iterator[Relay]:
    """A relay that begins where the events end that there are."""
    pool = relay_pool(database.application_url)
    pool.open()
    relay = build_relay(pool, TOPIC, partial(KafkaPublisher, brokers, TOPIC), SystemClock().now)
    while relay.work():
        pass
    yield relay
    relay.close()
    pool.close()


def _publish(relay: Relay, database: Database) -> None:
    left = _count(database)
    while left > 0:
        left -= relay.work()


def _measured(database: Database, work: Any) -> tuple[float, Cost]:
    """How long it took, and what it cost."""
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_statements_reset()")
        [wal_before] = connection.execute(WAL).fetchone() or (0,)
        began = time.monotonic()
        work()
        elapsed_s = time.monotonic() - began
        [wal_after] = connection.execute(WAL).fetchone() or (0,)
        statements, rows, blocks = connection.execute(STATEMENTS).fetchone() or (0, 0, 0)
    return elapsed_s, Cost(statements, rows, blocks, int(wal_after - wal_before))


def _messages(brokers: str) -> list[Message]:
    """What the relay published."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "benchmark"})
    places = [TopicPartition(TOPIC, number, 0) for number in range(PARTITIONS)]
    wanted = sum(consumer.get_watermark_offsets(place, WAIT_S)[1] for place in places)
    consumer.assign(places)
    messages: list[Message] = []
    while len(messages) < wanted:
        messages += [one for one in consumer.consume(10_000, 1) if one.error() is None]
    consumer.close()
    return messages


def _produce(brokers: str, messages: list[Message]) -> float:
    """How long librdkafka takes over them with the relay's settings and nothing else to do."""
    producer = Producer(SETTINGS | {"bootstrap.servers": brokers})
    producer.list_topics(timeout=WAIT_S)
    began = time.monotonic()
    for message in messages:
        while True:
            try:
                producer.produce(
                    BARE_TOPIC, message.value(), message.key(), headers=message.headers(), on_delivery=_ignore
                )
            except BufferError:
                producer.poll(0.01)
            else:
                producer.poll(0)
                break
    producer.flush()
    return time.monotonic() - began


def _ignore(*_: object) -> None:
    """Delivery is asked for, as the relay does."""


def _print_rates(broker: str, events: int, bare_s: float, relay_s: float, cost: Cost) -> None:
    print(f"{f'events a second, to {broker}':<42} {'rate':>8} {'of bare':>8}")
    for what, seconds in (("producer, the same messages", bare_s), ("relay", relay_s)):
        print(f"{what:<42} {events / seconds:>8,.0f} {bare_s / seconds:>8.0%}")
    print(
        f"the database, per event: {cost.statements / events:.4f} statements, {cost.rows / events:.2f} rows, "
        f"{cost.blocks / events:.2f} blocks, {cost.wal_bytes / events:.1f} bytes of WAL"
    )


def _peak(stack: Stack, database: Database, address: str, brokers: str) -> None:
    """A relay beside a server that has as much to do as it can."""
    environment = {"KAFKA_BROKERS": brokers, "KAFKA_TOPIC_PAYMENTS": TOPIC}
    relay = stack.start("relay", ("-m", "server.cli.main", "worker", "relay"), **environment)
    wait_until(lambda: READY in relay.log.read_bytes())
    before = _count(database)
    published_before = _end(brokers)
    began = time.monotonic()
    with ThreadPoolExecutor(CALLERS) as executor:
        until = began + PEAK_S
        list(executor.map(lambda number: _post_until(address, number, until), range(CALLERS)))
    posted_s = time.monotonic() - began
    committed, published = _count(database) - before, _end(brokers) - published_before
    wait_until(lambda: _end(brokers) - published_before == committed)
    caught_up_s = time.monotonic() - began - posted_s
    print(
        f"beside a server at its peak: {committed / posted_s:,.0f} events a second committed, "
        f"{published / posted_s:,.0f} published; {committed - published:,} behind at the end, "
        f"none {caught_up_s:.1f} s later"
    )


def _end(brokers: str) -> int:
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "benchmark"})
    places = [TopicPartition(TOPIC, number) for number in range(PARTITIONS)]
    end = sum(consumer.get_watermark_offsets(place, WAIT_S)[1] for place in places)
    consumer.close()
    return end


def _count(database: Database) -> int:
    with psycopg.connect(database.owner_url) as connection:
        [number] = connection.execute(COUNT).fetchone() or (0,)
        return int(number)


def _post(address: str, events: int) -> None:
    bulks = -(-events // BULK)
    with ThreadPoolExecutor(CALLERS) as executor:
        merchants = [f"shop-{number % MERCHANTS}" for number in range(bulks)]
        list(executor.map(partial(_post_bulk, address), merchants))


def _post_until(address: str, number: int, until: float) -> None:
    for bulk in count():
        if time.monotonic() >= until:
            break
        _post_bulk(address, f"shop-{(number + CALLERS * bulk) % MERCHANTS}")


def _post_bulk(address: str, merchant_id: str) -> None:
    """A bulk of sales of two entries, into accounts that the first one opens."""
    with LedgerCaller(address, merchant_id) as caller:
        for account in ("cash", "sales"):
            caller.account(account, key=f"open-{account}")
        sale = caller.posting(("cash", 100), ("sales", -100))
        results = caller.bulk(*[sale] * BULK)
    assert all(result.HasField("transaction") for result in results)


if __name__ == "__main__":
    main()
