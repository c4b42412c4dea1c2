"""`payflow replay` as an operator runs it: what it prints, and what it finds."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg.rows import dict_row

from server.cli.main import main
from tests.databases import Database
from tests.random_payments import RandomPayments
from tests.submissions import Till, committer

MERCHANT = "replayed"
STEPS = 60
FROM = datetime(2030, 1, 1, tzinfo=UTC)

# As a superuser with triggers off, who can do anything to what is stored.
TAMPERINGS = {
    "captured_amount is ": """
        UPDATE payment_intents SET captured_amount = captured_amount + 1
        WHERE id = (SELECT id FROM payment_intents WHERE captured_amount > 0 ORDER BY id LIMIT 1)
    """,
    "is missing": "DELETE FROM entries WHERE account_version = 1 AND account_id LIKE 'sys:psp_clearing:%'",
    "is in no event": """
        INSERT INTO refunds
        SELECT merchant_id, 're_invented', payment_intent_id, amount, currency, status, psp_refund_id,
               failure, hold_transaction_id, refund_transaction_id, created_at, refunded_at
        FROM refunds LIMIT 1
    """,
    "posted is ": "UPDATE balances SET posted = posted - 1 WHERE account_id LIKE 'sys:platform_fees:%'",
    "has layout 99, and this release knows none after 2: a newer release wrote it": """
        UPDATE events SET schema_version = 99 WHERE type = 'payment_intent.captured'
    """,
    "stands where": """
        DELETE FROM events WHERE aggregate_version = 2
          AND aggregate_id = (
              SELECT aggregate_id FROM events WHERE aggregate_version = 3 ORDER BY aggregate_id LIMIT 1)
    """,
}


@pytest.fixture(scope="module")
def database(new_database: Callable[[], Database]) -> Database:
    return _paid(new_database())


def _paid(made: Database) -> Database:
    """The database with random payments in it."""
    pipeline = committer(made.application_url)
    pipeline.start()
    with psycopg.connect(made.owner_url, autocommit=True, row_factory=dict_row) as connection:
        payments = RandomPayments(pipeline, Till(MERCHANT, now=FROM), random.Random(7), connection)
        payments.set_up()
        for _ in range(STEPS):
            payments.step()
    pipeline.close()
    return made


def _replay(database: Database, *options: str) -> Result:
    environment = {"DATABASE_URL": database.application_url}
    return CliRunner().invoke(main, ["replay", *options], env=environment)


def test_what_is_stored_is_what_the_events_say(database: Database) -> None:
    result = _replay(database)
    assert result.exit_code == 0, result.output
    assert " events in " in result.output
    assert "DIFFERS" not in result.output


def test_the_books_are_shown_as_they_were(database: Database) -> None:
    before = _replay(database, "--to", (FROM - timedelta(days=1)).strftime("%Y-%m-%d"))
    assert before.exit_code == 0, before.output
    assert "psp_clearing" not in before.output
    now = _replay(database, "--to", "2100-01-01")
    assert "psp_clearing" in now.output


def test_what_somebody_changed_is_named(new_database: Callable[[], Database]) -> None:
    database = _paid(new_database())
    for told, statement in TAMPERINGS.items():
        with psycopg.connect(database.owner_url) as connection:
            connection.execute("SET session_replication_role = replica")
            assert connection.execute(statement.encode()).rowcount > 0
        result = _replay(database)
        assert result.exit_code == 1
        assert told in result.output and MERCHANT in result.output
