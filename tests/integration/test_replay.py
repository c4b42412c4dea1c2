"""Replaying the events from empty gives the same rows and balances, byte for byte."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg.rows import dict_row

from payflow.domain.errors import Reason
from payflow.store.rows import to_json
from payflow.wire.events import BY_NAME, from_payload
from tests.books import assert_books_right
from tests.databases import Database
from tests.random_payments import RandomPayments
from tests.replay import Replay
from tests.submissions import Till, committer

MERCHANTS = 2
STEPS = 120
FROM = datetime(2030, 1, 1, tzinfo=UTC)

KEY_COLUMNS = {
    "merchants": "merchant_id",
    "psp_accounts": "merchant_id, id",
    "payment_intents": "merchant_id, id",
    "refunds": "merchant_id, id",
    "psp_attempts": "merchant_id, payment_intent_id, id",
    "transactions": "merchant_id, id",
    "entries": "merchant_id, account_id, account_version",
    "accounts": "merchant_id, id",
    "balances": "merchant_id, account_id",
}

UNKNOWN_EVENT = """
    INSERT INTO events
    SELECT merchant_id, 'dispute_1', 1, bucket, 'dispute.opened', 9, '\\x00ff', occurred_at, actor,
           correlation_id, 'another release', 0, traceparent
    FROM events LIMIT 1
"""


@pytest.fixture(scope="module")
def database(new_database: Callable[[], Database]) -> Database:
    """A database with random payments and an event that this release does not know."""
    made = new_database()
    for number in range(MERCHANTS):
        _run(made, number)
    with psycopg.connect(made.application_url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        connection.execute(UNKNOWN_EVENT)
    return made


def _run(database: Database, seed: int) -> None:
    pipeline = committer(database.application_url)
    pipeline.start()
    with psycopg.connect(database.owner_url, autocommit=True, row_factory=dict_row) as connection:
        till = Till(f"replayed-{seed}", now=FROM)
        payments = RandomPayments(pipeline, till, random.Random(seed), connection)
        payments.set_up()
        for _ in range(STEPS):
            payments.step()
    pipeline.close()
    assert Reason.INTERNAL not in payments.refusals


def _copied(url: str) -> dict[str, bytes]:
    """Every table as PostgreSQL's binary COPY writes it, in the order of its key."""
    with psycopg.connect(url) as connection:
        return {table: b"".join(_copy(connection, table, key)) for table, key in KEY_COLUMNS.items()}


def _copy(connection: psycopg.Connection[tuple[object, ...]], table: str, key: str) -> Iterator[bytes]:
    query = f"COPY (SELECT * FROM {table} ORDER BY {key}) TO STDOUT (FORMAT binary)"
    with connection.cursor().copy(query.encode()) as copy:
        yield from map(bytes, copy)


def _write(url: str, replay: Replay) -> None:
    """Into empty tables, with every trigger off: nothing but the replay computes what is compared."""
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")
        for table, content in replay.tables().items():
            query = f"INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, %s)"
            connection.execute(query.encode(), [to_json(content)])


def test_the_random_run_saw_everything_that_can_happen(database: Database) -> None:
    with psycopg.connect(database.owner_url) as connection:
        seen = {row[0] for row in connection.execute("SELECT DISTINCT type FROM events")}
        states = {row[0] for row in connection.execute("SELECT DISTINCT state FROM psp_attempts")}
        statuses = {row[0] for row in connection.execute("SELECT DISTINCT status FROM payment_intents")}
    assert seen == {*BY_NAME, "dispute.opened"}
    assert states >= {"RUNNING", "UNKNOWN", "SUCCEEDED", "DECLINED", "NOT_EXECUTED"}
    assert len(statuses) == 8
    assert_books_right(database.owner_url)


def test_replay_from_empty_gives_the_same_bytes(
    database: Database, new_database: Callable[[], Database]
) -> None:
    replay = Replay()
    with psycopg.connect(database.owner_url) as connection:
        replay.apply_all(connection)
    assert all(len(content) >= MERCHANTS for content in replay.tables().values())
    rebuilt = new_database()
    _write(rebuilt.owner_url, replay)
    expected, found = _copied(database.owner_url), _copied(rebuilt.owner_url)
    for table, content in expected.items():
        assert found[table] == content, table


def test_an_event_of_an_unknown_type_is_skipped(database: Database) -> None:
    replay = Replay()
    with psycopg.connect(database.owner_url) as connection:
        replay.apply_all(connection)
    assert replay.skipped == 1
    assert from_payload("dispute.opened", b"\x00\xff") is None
