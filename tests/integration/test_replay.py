"""Replaying the events from empty gives the same rows and balances, byte for byte."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from payflow.domain.dead_letter_commands import DiscardDeadLetter, RetryDeadLetter
from payflow.domain.errors import Reason
from payflow.domain.ledger.events import LedgerEvent
from payflow.store.commit.committer import Committer
from payflow.store.consumers.dead_letters import park
from payflow.store.replay.fresh_tables import KEYS
from payflow.wire.events import BY_DOMAIN, from_payload
from tests.books import assert_books_right
from tests.daily_totals import consume, published
from tests.databases import Database
from tests.dead_letters import CONSUMER, given_up, key, letter
from tests.effects import Shelf
from tests.older_events import as_version_1
from tests.random_payments import RandomPayments
from tests.rebuilding import differences
from tests.submissions import Till, commit, committer

MERCHANTS = 2
STEPS = 120
FROM = datetime(2030, 1, 1, tzinfo=UTC)

UNKNOWN_EVENT = """
    INSERT INTO events
    SELECT merchant_id, 'dispute_1', 1, bucket, 'dispute.opened', 9, '\\x00ff', occurred_at, actor,
           correlation_id, 'another release', 0, traceparent
    FROM events LIMIT 1
"""

NEWER_EVENTS = "SELECT * FROM events WHERE merchant_id = %s AND schema_version > 1"
REWRITE = """
    UPDATE events SET schema_version = 1, payload = %(payload)s
    WHERE merchant_id = %(merchant_id)s AND aggregate_id = %(aggregate_id)s
      AND aggregate_version = %(aggregate_version)s
"""


@pytest.fixture(scope="module")
def database(new_database: Callable[[], Database]) -> Database:
    """A database with random payments, some as an older release wrote them, and an event of a newer one."""
    made = new_database()
    for number in range(MERCHANTS):
        _run(made, number)
    _rewrite_as_version_1(made, "replayed-0")
    shelf = Shelf()
    shelf.put(*published(made.owner_url))
    consume(made, shelf)
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
        _care_for_dead_letters(pipeline, till, connection)
    pipeline.close()
    assert Reason.INTERNAL not in payments.refusals


def _care_for_dead_letters(
    pipeline: Committer, till: Till, connection: psycopg.Connection[dict[str, Any]]
) -> None:
    """An operator has one tried again, and discards another."""
    letters = [letter(1, aggregate, till.merchant_id) for aggregate in ("pi_1", "pi_2")]
    park(connection, CONSUMER, [given_up(one) for one in letters], till.now)
    retried, discarded = (key(1, one.aggregate_id, till.merchant_id) for one in letters)
    commit(pipeline, till.submission(RetryDeadLetter(retried)))
    commit(pipeline, till.submission(DiscardDeadLetter(discarded, "gone")))


def _rewrite_as_version_1(database: Database, merchant_id: str) -> None:
    """Leaves a merchant's captures and refunds as an older release wrote them."""
    with psycopg.connect(database.owner_url, row_factory=dict_row) as connection:
        connection.execute("SET session_replication_role = replica")
        for row in connection.execute(NEWER_EVENTS, [merchant_id]).fetchall():
            payload = as_version_1(row.pop("type"), row.pop("payload"))
            connection.execute(REWRITE, {**row, "payload": payload})


def test_the_random_run_saw_everything_that_can_happen(database: Database) -> None:
    with psycopg.connect(database.owner_url) as connection:
        seen = {row[0] for row in connection.execute("SELECT DISTINCT type FROM events")}
        states = {row[0] for row in connection.execute("SELECT DISTINCT state FROM psp_attempts")}
        statuses = {row[0] for row in connection.execute("SELECT DISTINCT status FROM payment_intents")}
    own = {one.name for one in BY_DOMAIN.values() if one.domain not in LedgerEvent.__args__}
    assert seen == {*own, "dispute.opened"}
    assert states >= {"RUNNING", "UNKNOWN", "SUCCEEDED", "DECLINED", "NOT_EXECUTED"}
    assert len(statuses) == 8
    assert_books_right(database.owner_url)


def test_some_events_are_of_an_older_release(database: Database) -> None:
    with psycopg.connect(database.owner_url) as connection:
        found = connection.execute(
            "SELECT DISTINCT schema_version FROM events WHERE type IN "
            "('payment_intent.captured', 'refund.succeeded') ORDER BY 1"
        )
        assert [row[0] for row in found] == [1, 2]


def test_replay_from_empty_gives_the_same_bytes(database: Database) -> None:
    with psycopg.connect(database.owner_url) as connection:
        for table in KEYS:
            row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
            assert row is not None and row[0] >= MERCHANTS, table
    assert differences(database.application_url) == []


def test_an_event_of_an_unknown_type_is_skipped() -> None:
    assert from_payload("dispute.opened", 1, b"\x00\xff") is None
