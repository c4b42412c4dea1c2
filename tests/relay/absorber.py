"""A consumer whose effect is one row an event, in a table that would take any of them twice.

Run as a process of its own that can be killed: ``python -m tests.relay.absorber``.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence

import psycopg

from payflow.events.consumer import Consumer
from payflow.events.consumer.kafka_source import KafkaSource
from payflow.events.published_event import PublishedEvent
from payflow.store.database.statement import DictConnection
from server.cli.process_settings import process_settings
from server.config import required_database_url
from tests.databases import Database

NAME = "absorber"

TABLE = """
    CREATE TABLE absorbed (
        position          bigint GENERATED ALWAYS AS IDENTITY,
        merchant_id       text NOT NULL,
        aggregate_id      text NOT NULL,
        aggregate_version bigint NOT NULL,
        type              text NOT NULL,
        schema_version    smallint NOT NULL,
        occurred_at       timestamptz NOT NULL,
        actor             text NOT NULL,
        correlation_id    text NOT NULL,
        causation_id      text NOT NULL,
        traceparent       text NOT NULL
    );
    GRANT SELECT, INSERT ON absorbed TO payflow_application
"""
ABSORB = """
    INSERT INTO absorbed (merchant_id, aggregate_id, aggregate_version, type, schema_version, occurred_at,
                          actor, correlation_id, causation_id, traceparent)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
ABSORBED = "SELECT count(*) FROM absorbed"
# Rows of either side that have not exactly one like them on the other.
DIFFERENT = """
    WITH effects AS (
        SELECT merchant_id, aggregate_id, aggregate_version, type, schema_version, occurred_at,
               actor, correlation_id, causation_id, traceparent, count(*) AS times
        FROM absorbed GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
    ), committed AS (
        SELECT merchant_id, aggregate_id, aggregate_version, type, schema_version, occurred_at,
               actor, correlation_id, causation_id, traceparent, 1::bigint AS times
        FROM events
    )
    (TABLE effects EXCEPT TABLE committed) UNION ALL (TABLE committed EXCEPT TABLE effects)
"""
OUT_OF_ORDER = """
    SELECT merchant_id, aggregate_id, aggregate_version FROM (
        SELECT merchant_id, aggregate_id, aggregate_version,
               row_number() OVER (PARTITION BY merchant_id, aggregate_id ORDER BY position) AS number
        FROM absorbed
    ) AS numbered
    WHERE aggregate_version <> number
"""


def prepare(database: Database) -> None:
    """Makes its table."""
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute(TABLE)


def absorbed(database: Database) -> int:
    """How many effects there are."""
    with psycopg.connect(database.owner_url) as connection:
        [count] = connection.execute(ABSORBED).fetchone() or (0,)
        return int(count)


def faults(database: Database) -> list[str]:
    """What is not as if every event had taken effect once, in the order of its aggregate."""
    with psycopg.connect(database.owner_url) as connection:
        found = {
            "different": connection.execute(DIFFERENT).fetchall(),
            "out of order": connection.execute(OUT_OF_ORDER).fetchall(),
        }
    return [f"{len(rows)} effects {name}, such as {rows[0]}" for name, rows in found.items() if rows]


def absorb(connection: DictConnection, events: Sequence[PublishedEvent]) -> None:
    """The handler."""
    rows = [
        (
            event.merchant_id,
            event.aggregate_id,
            event.aggregate_version,
            event.type,
            event.schema_version,
            event.occurred_at,
            event.actor,
            event.correlation_id,
            event.causation_id,
            event.traceparent,
        )
        for event in events
    ]
    with connection.cursor() as cursor:
        cursor.executemany(ABSORB, rows)


def main() -> None:
    """Works until SIGTERM, or until it is killed."""
    settings = process_settings()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    source = KafkaSource(str(settings.kafka_brokers), settings.kafka_topic_payments, NAME)
    Consumer(NAME, source, absorb, required_database_url(settings)).run(stop)


if __name__ == "__main__":
    main()
