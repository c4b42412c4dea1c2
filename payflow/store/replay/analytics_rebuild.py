"""Writes the read model of daily totals anew, in one transaction, while nobody adds to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import psycopg
from psycopg.rows import dict_row

from payflow.domain.stored_event import StoredEvent
from payflow.store import rows
from payflow.store.replay.fresh_tables import CHUNK_ROWS, FETCHED_EVENTS

# The lock comes first: only behind it is the instant fixed that the transaction sees. Every batch of the
# consumer writes the freshness, so it waits, and tries again until the lock is gone.
BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ"
LOCK = "LOCK TABLE analytics_freshness IN EXCLUSIVE MODE"
COMMIT = "COMMIT"

FORGET = (
    "DELETE FROM analytics_freshness",
    "DELETE FROM analytics_payments",
    "DELETE FROM analytics_daily_totals",
)
FORGET_TAKEN = ("DELETE FROM dead_letters WHERE consumer = %s", "DELETE FROM inbox WHERE consumer = %s")

TAKE_ALL = """
    INSERT INTO inbox (merchant_id, consumer, aggregate_id, aggregate_version)
    SELECT merchant_id, %s, aggregate_id, max(aggregate_version)
    FROM events
    GROUP BY merchant_id, aggregate_id
"""
FRESHNESS = """
    INSERT INTO analytics_freshness (merchant_id, as_of)
    SELECT merchant_id, max(occurred_at) FROM events GROUP BY merchant_id
"""
EVENTS = """
    SELECT merchant_id, aggregate_id, aggregate_version, type, schema_version, payload, occurred_at, actor,
           correlation_id, causation_id, traceparent
    FROM events
    WHERE type = ANY(%s)
    ORDER BY merchant_id, aggregate_id, aggregate_version
"""
COUNT = "SELECT count(*) AS events FROM events WHERE type = ANY(%s)"
INSERT = "INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, %s)"


class AnalyticsRebuild:
    """Begins with its creation, and takes effect with ``commit``. Raises psycopg.Error."""

    def __init__(self, conninfo: str, consumer: str, types: Iterable[str]) -> None:
        """``types`` are those of the events that the model is made of."""
        self._types = list(types)
        self._connection = psycopg.connect(conninfo, autocommit=True, row_factory=dict_row)
        self._connection.execute("SET TimeZone TO 'UTC'")
        self._connection.execute(BEGIN)
        self._connection.execute(LOCK)
        for statement in FORGET:
            self._connection.execute(statement)
        for statement in (*FORGET_TAKEN, TAKE_ALL):
            self._connection.execute(statement, [consumer])
        self._connection.execute(FRESHNESS)

    def count(self) -> int:
        """How many events there are."""
        row = self._connection.execute(COUNT, [self._types]).fetchone()
        return int(row["events"]) if row else 0

    def events(self) -> Iterator[StoredEvent]:
        """All of them, aggregate by aggregate."""
        with self._connection.cursor("events") as cursor:
            cursor.itersize = FETCHED_EVENTS
            for row in cursor.execute(EVENTS, [self._types]):
                yield StoredEvent(**row)

    def fill(self, rebuilt: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Writes rows into the tables."""
        waiting: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for table, row in rebuilt:
            waiting[table].append(row)
            if len(waiting[table]) >= CHUNK_ROWS:
                self._insert(table, waiting.pop(table))
        for table, remaining in waiting.items():
            self._insert(table, remaining)

    def commit(self) -> None:
        """From now on it is what callers read, and the consumer goes on behind it."""
        self._connection.execute(COMMIT)

    def close(self) -> None:
        """Gives up what was not committed."""
        self._connection.close()

    def _insert(self, table: str, content: list[dict[str, Any]]) -> None:
        self._connection.execute(INSERT.format(table=table).encode(), [rows.to_json(content)])
