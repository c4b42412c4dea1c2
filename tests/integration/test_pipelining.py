"""Statements that are larger than what a socket takes at once."""

from __future__ import annotations

import psycopg

from payflow.store.database import pipelining
from tests.databases import Database

LARGE = "x" * 4_000_000
ANSWER_WITHIN_MS = 30_000


def test_a_large_last_statement_is_sent_to_its_end(database: Database) -> None:
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        # Where the end is never sent, the server gives up on us.
        connection.execute(f"SET idle_in_transaction_session_timeout = {ANSWER_WITHIN_MS}")
        connection.execute(f"SET statement_timeout = {ANSWER_WITHIN_MS}")
        with connection.pipeline() as pipeline:
            for _ in range(20):
                cursors = [connection.execute("SELECT length(%s)", [LARGE]) for _ in range(3)]
                pipelining.sync(connection, pipeline)
                assert [cursor.fetchone() for cursor in cursors] == [(len(LARGE),)] * 3
