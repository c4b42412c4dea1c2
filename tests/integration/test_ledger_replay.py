"""Replaying the events of callers' own books gives the same accounts, transactions, entries and balances."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
import pytest

from payflow.domain.errors import Reason
from payflow.domain.ledger.events import LedgerEvent
from payflow.wire.events import BY_DOMAIN
from tests.books import assert_books_right
from tests.databases import Database
from tests.random_books import RandomBooks
from tests.rebuilding import differences
from tests.submissions import Till, committer

MERCHANTS = 2
STEPS = 60
FROM = datetime(2030, 1, 1, tzinfo=UTC)

# What may become of a transaction: its status, what it resolves or reverses, and its terms.
SEEN = """
    SELECT bool_or(status = 'PENDING'), bool_or(status = 'RESOLVED'),
           bool_or(resolves_transaction_id IS NOT NULL), bool_or(reverses_transaction_id IS NOT NULL),
           bool_or(reference IS NOT NULL), bool_or(effective_at IS NOT NULL), bool_or(expires_at IS NOT NULL)
    FROM transactions
"""


@pytest.fixture(scope="module")
def database(new_database: Callable[[], Database]) -> Database:
    """A database with random books in it."""
    made = new_database()
    pipeline = committer(made.application_url)
    pipeline.start()
    refusals: set[Reason] = set()
    for seed in range(MERCHANTS):
        books = RandomBooks(pipeline, Till(f"replayed-{seed}", now=FROM), random.Random(seed))
        books.set_up()
        for _ in range(STEPS):
            books.step()
        refusals.update(books.refusals)
    pipeline.close()
    assert refusals >= {
        Reason.INSUFFICIENT_BALANCE,
        Reason.INVALID_STATE_TRANSITION,
        Reason.TRANSACTION_EXISTS,
    }
    assert Reason.INTERNAL not in refusals
    return made


def test_the_random_run_saw_everything_that_can_happen(database: Database) -> None:
    with psycopg.connect(database.owner_url) as connection:
        seen = {row[0] for row in connection.execute("SELECT DISTINCT type FROM events")}
        assert connection.execute(SEEN).fetchone() == (True,) * 7
    assert seen >= {one.name for one in BY_DOMAIN.values() if one.domain in LedgerEvent.__args__}
    assert_books_right(database.owner_url)


def test_replay_from_empty_gives_the_same_bytes(database: Database) -> None:
    with psycopg.connect(database.owner_url) as connection:
        for table in ("accounts", "transactions", "entries", "balances"):
            assert connection.execute(f"SELECT FROM {table} LIMIT 1".encode()).fetchone() is not None, table
    assert differences(database.application_url) == []
