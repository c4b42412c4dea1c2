"""The sealer: everything that was booked is sealed once, as it is stored, whatever commits late or dies."""

from __future__ import annotations

from itertools import count
from typing import Any

import psycopg
import pytest

from payflow.domain.ledger.account import Account, AccountType
from payflow.domain.ledger.commands import OpenAccount, PostTransaction
from payflow.domain.ledger.transaction import DraftTransaction, Posting, Terms
from payflow.domain.proof.block import NOTHING_BEFORE
from payflow.domain.texts import Texts
from payflow.store.proof.sealing import Sealer
from tests.databases import Database
from tests.sealed_books import FROM, KEY, SEALED_AT, blocks, book_at_random, copy_of, findings, seal
from tests.submissions import Till, commit, committer

NUMBERS = count(1)

UNSEALED = """
    SELECT count(*) FROM transactions AS one
    WHERE NOT EXISTS (
        SELECT FROM sealed_transactions
        WHERE merchant_id = one.merchant_id AND transaction_id = one.id)
"""

# In another cluster, as after a dump was restored: the numbers of database transactions mean nothing there.
ELSEWHERE = "UPDATE seal_chains SET system_identifier = system_identifier + 1"

UNKNOWN_EVENT = """
    INSERT INTO events (merchant_id, aggregate_id, aggregate_version, bucket, type, schema_version, payload,
                        occurred_at, actor, correlation_id, causation_id, causation_seq, traceparent)
    SELECT merchant_id, %s, 1, bucket, 'dispute.opened', 9, '\\x00ff', occurred_at, actor, correlation_id,
           %s, 0, traceparent
    FROM events WHERE merchant_id = %s LIMIT 1
"""

# The second one of a book with one transaction.
LATE_BOOKING = (
    """
    INSERT INTO transactions
    SELECT merchant_id, 'txn_late', bucket, status, entry_count, reference, effective_at, expires_at,
           resolves_transaction_id, reverses_transaction_id, recorded_at
    FROM transactions WHERE id = 'txn_model'
    """,
    """
    INSERT INTO entries
    SELECT merchant_id, account_id, 2, 'txn_late', position, layer, amount, currency, releases,
           2 * posted_after, 0, 0, recorded_at
    FROM entries WHERE transaction_id = 'txn_model'
    """,
    """
    INSERT INTO events (merchant_id, aggregate_id, aggregate_version, bucket, type, schema_version, payload,
                        occurred_at, actor, correlation_id, causation_id, causation_seq, traceparent)
    SELECT merchant_id, 'txn_late', 1, bucket, type, schema_version, payload, occurred_at, actor,
           correlation_id, 'late', 0, traceparent
    FROM events WHERE aggregate_id = 'txn_model'
    """,
)


@pytest.fixture
def database(booked: Database) -> Database:
    """The same, for one test to seal."""
    return copy_of(booked, f"sealing_{next(NUMBERS)}")


def _one(database: Database, query: str) -> Any:
    with psycopg.connect(database.owner_url) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def _execute(database: Database, statement: str) -> None:
    with psycopg.connect(database.owner_url) as connection:
        connection.execute(statement.encode())


class _Booking:
    """A merchant's transactions, one by one."""

    def __init__(self, database: Database, merchant_id: str) -> None:
        self._pipeline = committer(database.application_url)
        self._pipeline.start()
        self._till = Till(merchant_id, seed=1, now=FROM)
        commit(self._pipeline, self._till.merchant())
        for name in ("one", "other"):
            account = Account(name, AccountType.ASSET, "USD", True)
            command = OpenAccount(merchant_id, account, Texts())
            commit(self._pipeline, self._till.submission(command))

    def post(self, transaction_id: str) -> None:
        postings = (Posting("one", 5, "USD"), Posting("other", -5, "USD"))
        draft = DraftTransaction(transaction_id, postings)
        command = PostTransaction(self._till.merchant_id, draft, Terms(), Texts())
        commit(self._pipeline, self._till.submission(command))

    def close(self) -> None:
        self._pipeline.close()


def test_every_transaction_is_sealed_once_and_as_it_is_stored(database: Database) -> None:
    assert seal(database) == _one(database, "SELECT count(*) FROM transactions")
    assert seal(database) == 0
    assert _one(database, UNSEALED) == 0
    assert findings(database) == []


def test_what_is_booked_later_goes_into_later_blocks(database: Database) -> None:
    seal(database)
    before = blocks(database)
    book_at_random(database, ["late"], 5, seed=8)
    assert seal(database) > 0
    after = blocks(database)
    assert len(after) > len(before) and all(block in after for block in before)
    assert findings(database) == []


def test_a_chain_is_numbered_from_one_without_a_gap(database: Database) -> None:
    seal(database)
    last = NOTHING_BEFORE
    for block in blocks(database):
        if block.header.number == 1:
            last = NOTHING_BEFORE
        assert block.header.previous_head == last
        last = block.head
    assert max(block.header.number for block in blocks(database)) > 3


def test_a_transaction_that_commits_late_is_sealed_and_not_skipped(database: Database) -> None:
    seal(database)
    booking = _Booking(database, "late")
    with psycopg.connect(database.owner_url, autocommit=True) as late:
        # It has its number before all others, and commits when they are all sealed.
        late.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
        late.execute(UNKNOWN_EVENT, ("held_open", "held_open", "keeping"))
        for number in range(3):
            booking.post(f"txn_during_{number}")
        assert seal(database) == 0
        late.execute("COMMIT")
    assert seal(database) == 3
    booking.post("txn_behind")
    assert seal(database) == 1
    booking.close()
    assert findings(database) == []


def test_rows_of_a_transaction_that_was_open_meanwhile_are_sealed(database: Database) -> None:
    """One database transaction books, by hand, before others and commits after their seal."""
    seal(database)
    booking = _Booking(database, "late")
    booking.post("txn_model")
    seal(database)
    with psycopg.connect(database.owner_url, autocommit=True) as late:
        late.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
        for statement in LATE_BOOKING:
            late.execute(statement.encode())
        other = _Booking(database, "others")
        other.post("txn_other")
        assert seal(database) == 0
        late.execute("COMMIT")
    assert seal(database) == 2
    assert _one(database, UNSEALED) == 0
    booking.close()
    other.close()


def test_in_another_cluster_what_is_not_sealed_is_and_nothing_twice(database: Database) -> None:
    seal(database)
    booking = _Booking(database, "late")
    booking.post("txn_before")
    _execute(database, ELSEWHERE)
    assert seal(database) == 1
    booking.post("txn_behind")
    assert seal(database) == 1
    booking.close()
    assert _one(database, UNSEALED) == 0
    assert findings(database) == []


def test_what_events_of_a_newer_release_booked_is_sealed_too(database: Database) -> None:
    seal(database)
    booking = _Booking(database, "late")
    booking.post("txn_unheard_of")
    _execute(database, "ALTER TABLE events DISABLE TRIGGER events_append_only")
    _execute(database, "UPDATE events SET type = 'novelty.booked' WHERE aggregate_id = 'txn_unheard_of'")
    _execute(database, "ALTER TABLE events ENABLE TRIGGER events_append_only")
    assert seal(database) == 1
    booking.close()
    assert _one(database, UNSEALED) == 0


def test_an_event_that_cannot_be_read_stops_no_sealing(database: Database) -> None:
    seal(database)
    booking = _Booking(database, "late")
    booking.post("txn_garbled")
    _execute(database, "ALTER TABLE events DISABLE TRIGGER events_append_only")
    _execute(
        database,
        "UPDATE events SET type = 'payment_intent.captured', payload = '\\xff' "
        "WHERE aggregate_id = 'txn_garbled'",
    )
    _execute(database, "ALTER TABLE events ENABLE TRIGGER events_append_only")
    assert seal(database) == 1
    booking.close()
    assert _one(database, UNSEALED) == 0


def test_of_two_sealers_each_takes_what_the_other_one_leaves(database: Database) -> None:
    """One holds a chain, as in the middle of a step; the other one seals the others, and waits for nobody."""
    with psycopg.connect(database.owner_url) as busy:
        part = busy.execute(
            "SELECT part FROM seal_chains WHERE part IN (SELECT bucket / 16 FROM transactions)"
            " ORDER BY part LIMIT 1 FOR UPDATE"
        ).fetchone()
        assert part is not None
        seal(database)
        assert {block.header.part for block in blocks(database)} == set(
            _one(database, "SELECT array_agg(DISTINCT bucket / 16) FROM transactions")
        ) - {part[0]}
    seal(database)
    assert _one(database, UNSEALED) == 0
    assert findings(database) == []


def test_a_step_that_fails_leaves_nothing_behind(database: Database) -> None:
    class _Dying(type(KEY)):  # type: ignore[misc]  # a class of its own for one method
        def sign(self, head: bytes) -> bytes:
            raise ZeroDivisionError

    dying = _Dying.new()
    sealer = Sealer(database.application_url, dying, lambda: SEALED_AT)
    with pytest.raises(ZeroDivisionError):
        while sealer.step() is not None:
            pass
    sealer.close()
    assert _one(database, "SELECT count(*) FROM sealed_transactions") == 0
    seal(database)
    assert findings(database) == []


CHANGES_OF_WHAT_IS_SEALED = (
    "UPDATE seal_blocks SET entries = 0",
    "DELETE FROM seal_blocks",
    "TRUNCATE seal_blocks",
    "UPDATE sealed_transactions SET position = 0",
    "DELETE FROM sealed_transactions",
    "TRUNCATE sealed_transactions",
    "DELETE FROM seal_chains",
    "TRUNCATE seal_chains",
)


def test_what_is_sealed_is_never_changed(database: Database) -> None:
    seal(database)
    for statement in CHANGES_OF_WHAT_IS_SEALED:
        for url, state in ((database.owner_url, "PF001"), (database.application_url, "42501")):
            with psycopg.connect(url) as connection, pytest.raises(psycopg.Error) as refusal:
                connection.execute(statement.encode())
            assert refusal.value.sqlstate == state, statement
