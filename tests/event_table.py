"""The events of a database as consumers get them, without a relay in between."""

from __future__ import annotations

import psycopg
from psycopg.rows import dict_row

from payflow.domain.stored_event import StoredEvent
from payflow.events.cloud_event import headers_of, to_published
from payflow.events.consumer.source import Message
from tests.databases import Database

EVENTS = """
    SELECT merchant_id, aggregate_id, aggregate_version, type, schema_version, payload, occurred_at, actor,
           correlation_id, causation_id, traceparent
    FROM events
    ORDER BY xid, aggregate_id, aggregate_version
    OFFSET %s LIMIT %s
"""


class EventTable:
    """Fulfils payflow.events.consumer.source.Source. Nothing may be writing while it is polled."""

    def __init__(self, database: Database) -> None:
        self._url = database.owner_url
        self._first = 0
        self._polled = 0

    def poll(self, batch_max: int, wait_s: float) -> list[Message]:
        """What comes next."""
        with psycopg.connect(self._url, row_factory=dict_row) as connection:
            found = connection.execute(EVENTS, [self._polled, batch_max]).fetchall()
        self._polled += len(found)
        published = [to_published(StoredEvent(**row)) for row in found]
        return [Message(headers_of(one), one.data) for one in published]

    def commit(self) -> None:
        """Nothing to note: nobody takes over from it."""

    def skip(self) -> None:
        """Leaves out what is there already."""
        with psycopg.connect(self._url) as connection:
            row = connection.execute("SELECT count(*) FROM events").fetchone()
        assert row is not None
        self._first = self._polled = row[0]

    def rewind(self) -> None:
        """Everything is delivered again, from the first."""
        self._polled = self._first

    def close(self) -> None:
        """Nothing to let go of."""
