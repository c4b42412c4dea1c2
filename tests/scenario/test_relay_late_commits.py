"""A transaction that is held open while many others commit: no event is missed, none overtakes.

PAYFLOW_RELAY_HELD_S says for how many seconds at least it is held.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.databases import Database
from tests.kafka_clients import make_topic
from tests.relay.arrivals import EventKey, examine
from tests.relay.topic import read_topic
from tests.stack import running_stack
from tests.waiting import wait_until

HELD_S = float(os.environ.get("PAYFLOW_RELAY_HELD_S", "2"))
OTHERS = 1_000
WRITERS = 4
PARTITIONS = 4
BEFORE = 50

MERCHANT = "INSERT INTO merchants VALUES ('shop', 7, 1, '', 'TEST', 1, now(), now())"
SERIALIZABLE = "SET default_transaction_isolation = 'serializable'"
# As the commit pipeline does it, in columns that matter here; the bytes of an empty message are none.
INSERT = """
    INSERT INTO events (merchant_id, aggregate_id, aggregate_version, bucket, type, schema_version, payload,
                        occurred_at, actor, correlation_id, causation_id, causation_seq, traceparent)
    VALUES ('shop', %(aggregate_id)s, %(version)s, 7, 'transaction.resolved', 1, '', now(), 'tests', '',
            %(aggregate_id)s || ':' || %(version)s, 0, '')
"""
BEHIND_THE_BEGINNING = """
    SELECT system_identifier <> 0 AND NOT from_beginning FROM relay_parts WHERE number = 0
"""


@pytest.mark.parametrize("commits", [True, False], ids=["that commits", "that rolls back"])
def test_a_transaction_held_open_loses_nothing(
    commits: bool,
    new_database: Callable[[], Database],
    kafka_brokers: str,
    tmp_path: Path,
) -> None:
    database, topic_name = new_database(), f"late.{commits}"
    make_topic(int(kafka_brokers.rpartition(":")[2]), topic_name, PARTITIONS)
    environment = {"KAFKA_BROKERS": kafka_brokers, "KAFKA_TOPIC_PAYMENTS": topic_name}
    with (
        running_stack(database, tmp_path, **environment) as stack,
        read_topic(kafka_brokers, topic_name, PARTITIONS) as topic,
        _writer(database) as held,
    ):
        held.execute(MERCHANT)
        stack.start("relay", ("-m", "server.cli.main", "worker", "relay"))
        committed = _commit_each(database, "early", BEFORE)
        wait_until(lambda: topic.read() == len(committed))
        wait_until(lambda: _is_behind_the_beginning(held))

        held_since = time.monotonic()
        # Something new, so that the relay has to look while the transaction is open.
        _insert(held, "held", 1)
        held.execute("BEGIN")
        _insert(held, "held", 2)
        with ThreadPoolExecutor(WRITERS) as executor:
            names = [f"other-{number}" for number in range(WRITERS)]
            for others in executor.map(lambda name: _commit_each(database, name, OTHERS // WRITERS), names):
                committed += others
        # What was committed before the transaction began has to come; that no more does takes waiting.
        wait_until(lambda: topic.read() > BEFORE)
        while time.monotonic() < held_since + HELD_S:
            topic.read()
        # Which of them may come before an event that might still be committed, nobody knows.
        assert topic.read() == BEFORE + 1

        held.execute("COMMIT" if commits else "ROLLBACK")
        next_version = 3 if commits else 2
        with _writer(database) as writer:
            _insert(writer, "held", next_version)
        committed += [("shop", "held", version) for version in range(1, next_version + 1)]
        wait_until(lambda: topic.read() == len(committed))
        topic.read_to_the_end()
    assert examine(topic.arrivals, committed).wrong == []


@contextmanager
def _writer(database: Database) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database.application_url, autocommit=True) as connection:
        connection.execute(SERIALIZABLE)
        yield connection


def _is_behind_the_beginning(connection: psycopg.Connection) -> bool:
    """Before that the relay publishes whatever it sees, and once more what may have been joined later."""
    row = connection.execute(BEHIND_THE_BEGINNING).fetchone()
    return row is not None and bool(row[0])


def _insert(writer: psycopg.Connection, aggregate_id: str, version: int) -> None:
    writer.execute(INSERT, {"aggregate_id": aggregate_id, "version": version})


def _commit_each(database: Database, aggregate_id: str, count: int) -> list[EventKey]:
    """Events of one aggregate, each in a transaction of its own."""
    with _writer(database) as writer:
        for version in range(1, count + 1):
            _insert(writer, aggregate_id, version)
    return [("shop", aggregate_id, version) for version in range(1, count + 1)]
