"""Whatever a superuser does to a sealed ledger with triggers off is found, and named."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import psycopg
import pytest

from payflow.domain.proof.keys import SigningKey
from tests.databases import Database
from tests.sealed_books import (
    KEY,
    blocks,
    book_at_random,
    copy_of,
    findings,
    first_findings,
    heads,
    seal,
    tamper,
)

NUMBERS = count(1)

# An entry of a caller's own book, in the middle of its history.
SOME_ENTRY = """
    (merchant_id, transaction_id, position) = (
        SELECT merchant_id, transaction_id, position FROM entries
        WHERE merchant_id = 'keeping' AND layer = 'POSTED' AND account_version = 2
        ORDER BY account_id LIMIT 1)
"""
SOME_TRANSACTION = "id = (SELECT id FROM transactions WHERE merchant_id = 'keeping' ORDER BY id LIMIT 1)"

INVENTED = (
    """
    INSERT INTO transactions
    SELECT merchant_id, 'txn_invented', bucket, 'POSTED', 2, NULL, NULL, NULL, NULL, NULL, recorded_at
    FROM transactions WHERE merchant_id = 'keeping' LIMIT 1
    """,
    """
    INSERT INTO entries
    SELECT 'keeping', 'asset-usd', 1000 + side.position, 'txn_invented', side.position, 'POSTED',
           side.amount, 'USD', false, 0, 0, 0, recorded_at
    FROM transactions, (VALUES (1, 70), (2, -70)) AS side (position, amount)
    WHERE id = 'txn_invented'
    """,
)
# With an event, too, that says it happened in a database transaction long ago.
INVENTED_EVENT = """
    INSERT INTO events
    SELECT merchant_id, 'txn_invented', 1, bucket, type, schema_version, payload, occurred_at, actor,
           correlation_id, 'invented', 0, traceparent, xid
    FROM events WHERE merchant_id = 'keeping' AND type = 'transaction.posted' ORDER BY xid LIMIT 1
"""

# The same, in a database transaction that is to come: always still to be sealed, as far as it goes.
INVENTED_EVENT_TO_COME = INVENTED_EVENT.replace(
    "traceparent, xid", "traceparent, '9000000000000000000'::xid8"
)
# In a block that nobody looks at, of the merchant's chain or of one that there is none of.
INVENTED_LEAF = """
    INSERT INTO sealed_transactions
    SELECT 'keeping', 'txn_invented', part, 1000000, 0, sha256('')
    FROM sealed_transactions WHERE merchant_id = 'keeping' LIMIT 1
"""
INVENTED_CHAIN = (
    "INSERT INTO seal_blocks SELECT 99, number, previous_head, root, transaction_count, entry_count, "
    "entries, system_identifier, xid, sealed_at, head, signature, key_id "
    "FROM seal_blocks WHERE number = 1 LIMIT 1",
    INVENTED_LEAF.replace("part, 1000000", "99, 1"),
)

# So that two rows can change places in one statement.
UNINDEXED = (
    "ALTER TABLE entries DROP CONSTRAINT entries_pkey",
    "DROP INDEX entries_by_transaction",
)


def _swapped(columns: str, of_one: str) -> str:
    """The statement that swaps ``columns`` of the first two entries of one transaction or account."""
    others = ", ".join(f"other.{column}" for column in columns.split(", "))
    return f"""
        WITH ordered AS (
            SELECT ctid AS place, *,
                   row_number() OVER (PARTITION BY {of_one} ORDER BY transaction_id, position) AS number
            FROM entries
            WHERE merchant_id = 'keeping'
        ), two AS (
            SELECT * FROM ordered
            WHERE number <= 2 AND {of_one} = (
                SELECT {of_one} FROM ordered WHERE number = 2 ORDER BY {of_one} LIMIT 1)
        )
        UPDATE entries AS one SET ({columns}) = ROW({others})
        FROM two AS mine
        JOIN two AS other ON other.number <> mine.number
        WHERE one.ctid = mine.place
    """


TAMPERINGS = {
    "a changed amount": (
        [f"UPDATE entries SET amount = amount + 400 WHERE {SOME_ENTRY}"],
        ["entries keeping txn_", "amount is ", ", sealed as "],
    ),
    "a changed reference": (
        [f"UPDATE transactions SET reference = 'mine' WHERE {SOME_TRANSACTION}"],
        ["transactions keeping txn_", "reference is mine, sealed as "],
    ),
    "a changed time": (
        [f"UPDATE transactions SET recorded_at = recorded_at - interval '1 us' WHERE {SOME_TRANSACTION}"],
        ["transactions keeping txn_", "recorded_at is ", ", sealed as 2030-01-0"],
    ),
    "a deleted entry": (
        [f"DELETE FROM entries WHERE {SOME_ENTRY}"],
        ["entries keeping txn_", "is missing: ", " POSTED on "],
    ),
    "a deleted transaction": (
        [
            "DELETE FROM entries WHERE transaction_id = "
            "(SELECT id FROM transactions WHERE merchant_id = 'keeping' ORDER BY id LIMIT 1)",
            f"DELETE FROM transactions WHERE {SOME_TRANSACTION}",
        ],
        ["transactions keeping txn_", "is missing"],
    ),
    "an added entry": (
        [
            f"INSERT INTO entries SELECT merchant_id, account_id, 5000, transaction_id, 77, layer, amount, "
            f"currency, releases, 0, 0, 0, recorded_at FROM entries WHERE {SOME_ENTRY}"
        ],
        ["entries keeping txn_", " 77 was not sealed: "],
    ),
    "an entry that is there again": (
        [
            *UNINDEXED,
            f"INSERT INTO entries SELECT * FROM entries WHERE {SOME_ENTRY}",
        ],
        ["entries keeping txn_", " is there again: "],
    ),
    "an inserted balanced transaction": (
        [*INVENTED],
        ["transactions keeping txn_invented is in no block, and older than the seal"],
    ),
    "an inserted transaction with its event": (
        [*INVENTED, INVENTED_EVENT],
        ["transactions keeping txn_invented is in no block, and older than the seal"],
    ),
    "an inserted transaction with its event in time to come": (
        [*INVENTED, INVENTED_EVENT_TO_COME],
        ["transactions keeping txn_invented is in no block, and older than the seal"],
    ),
    "an inserted transaction while the sealer is said to go through the ledger": (
        [*INVENTED, "UPDATE seal_chains SET after_merchant_id = '~', after_id = '~'"],
        ["transactions keeping txn_invented is in no block, and older than the seal"],
    ),
    "an inserted transaction while the sealer is said to be elsewhere": (
        [*INVENTED, "UPDATE seal_chains SET system_identifier = NULL"],
        ["transactions keeping txn_invented is in no block, and older than the seal"],
    ),
    "an inserted transaction with a leaf of no block": (
        [*INVENTED, INVENTED_LEAF],
        ["sealed_transactions keeping txn_invented is of block ", "1000000, which is not there"],
    ),
    "an inserted transaction with a leaf of no chain": (
        [*INVENTED, *INVENTED_CHAIN],
        ["sealed_transactions keeping txn_invented is of block 99 1, which is not there"],
    ),
    "entries with a leaf of no block": (
        [*INVENTED, INVENTED_LEAF, "DELETE FROM transactions WHERE id = 'txn_invented'"],
        ["sealed_transactions keeping txn_invented is of block ", "1000000, which is not there"],
    ),
    "a time that no calendar has": (
        [f"UPDATE entries SET recorded_at = 'infinity' WHERE {SOME_ENTRY}"],
        ["entries keeping txn_", "recorded_at is 9999-12-31", ", sealed as 2030-01-0"],
    ),
    "an event that nobody can read": (
        [
            f"UPDATE entries SET amount = amount + 400 WHERE {SOME_ENTRY}",
            f"UPDATE events SET payload = '\\xff' WHERE (merchant_id, aggregate_id) = "
            f"(SELECT merchant_id, transaction_id FROM entries WHERE {SOME_ENTRY})",
        ],
        ["transactions keeping txn_", "or its entries are not what was sealed"],
    ),
    "a block of a database transaction beyond 63 bits": (
        ["UPDATE seal_blocks SET xid = '18446744073709551615' WHERE number = 2"],
        ["seal_blocks ", " 2 has a head that is not the hash of what it says"],
    ),
    "a block of less than nothing": (
        [
            "ALTER TABLE seal_blocks DROP CONSTRAINT seal_blocks_transaction_count_check",
            "UPDATE seal_blocks SET transaction_count = -1 WHERE number = 2",
        ],
        ["seal_blocks ", " 2 has a head that is not the hash of what it says"],
    ),
    "a block of more than there is memory for": (
        ["UPDATE seal_blocks SET transaction_count = 2147483647 WHERE number = 2"],
        ["seal_blocks ", " 2 has a head that is not the hash of what it says"],
    ),
    "a doctored copy of the ledger, shown to who verifies": (
        [
            "CREATE SCHEMA pristine",
            "CREATE TABLE pristine.entries AS TABLE entries",
            "GRANT USAGE ON SCHEMA pristine TO payflow_application",
            "GRANT SELECT ON pristine.entries TO payflow_application",
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = pristine, public', "
            "current_database()); END $$",
            f"UPDATE entries SET amount = amount + 400 WHERE {SOME_ENTRY}",
        ],
        ["entries keeping txn_", "amount is ", ", sealed as "],
    ),
    "entries without a transaction": (
        [INVENTED[0], INVENTED[1], "DELETE FROM transactions WHERE id = 'txn_invented'"],
        ["entries keeping asset-usd 1001 is of transaction txn_invented, which is not there"],
    ),
    "entries swapped between accounts": (
        [*UNINDEXED, _swapped("account_id, account_version", of_one="transaction_id")],
        ["entries keeping txn_", "account_id is ", ", sealed as "],
    ),
    "entries swapped between positions": (
        [*UNINDEXED, _swapped("position", of_one="transaction_id")],
        ["entries keeping txn_", "amount is ", ", sealed as "],
    ),
    "entries swapped between transactions": (
        [*UNINDEXED, _swapped("transaction_id, position", of_one="account_id")],
        ["entries keeping txn_", "account_version is ", ", sealed as "],
    ),
    "a hold that nothing resolved": (
        ["UPDATE transactions SET status = 'RESOLVED' WHERE status = 'PENDING' AND merchant_id = 'keeping'"],
        ["is RESOLVED, but no transaction takes it back"],
    ),
    "a merchant's transaction in another's bucket": (
        [f"UPDATE transactions SET bucket = (bucket + 1) % 256 WHERE {SOME_TRANSACTION}"],
        ["transactions keeping txn_", "which is not its merchant's"],
    ),
    "a leaf that is gone": (
        [
            "DELETE FROM sealed_transactions WHERE transaction_id = "
            "(SELECT id FROM transactions WHERE merchant_id = 'keeping' ORDER BY id LIMIT 1)"
        ],
        ["sealed_transactions ", "is missing"],
    ),
    "a leaf that fits a changed amount": (
        [
            f"UPDATE entries SET amount = amount + 400 WHERE {SOME_ENTRY}",
            "UPDATE sealed_transactions SET leaf = sha256('') WHERE transaction_id = "
            "(SELECT id FROM transactions WHERE merchant_id = 'keeping' ORDER BY id LIMIT 1)",
        ],
        ["has a root that is not that of its transactions"],
    ),
    "an invented transaction with a leaf of an invented block": (
        [
            *INVENTED,
            "INSERT INTO sealed_transactions "
            "SELECT merchant_id, 'txn_invented', part, 999, 0, leaf FROM sealed_transactions "
            "WHERE merchant_id = 'keeping' LIMIT 1",
        ],
        ["sealed_transactions keeping txn_invented is of block ", " 999, which is not there"],
    ),
    "an invented transaction with a leaf of a block that is there": (
        [
            *INVENTED,
            "INSERT INTO sealed_transactions "
            "SELECT merchant_id, 'txn_invented', part, number, 500, leaf FROM sealed_transactions "
            "WHERE merchant_id = 'keeping' LIMIT 1",
        ],
        ["transactions keeping txn_invented or its entries are not what was sealed"],
    ),
    "an invented transaction of another's bucket": (
        [*INVENTED, "UPDATE transactions SET bucket = (bucket + 128) % 256 WHERE id = 'txn_invented'"],
        ["transactions keeping txn_invented is in no block, and older than the seal"],
    ),
    "a block that is gone": (
        ["DELETE FROM seal_blocks WHERE (part, number) = (SELECT part, 2 FROM seal_blocks LIMIT 1)"],
        ["seal_blocks ", " 2 is missing"],
    ),
}


@pytest.fixture(scope="module")
def database(booked: Database) -> Database:
    """A ledger that is sealed."""
    made = copy_of(booked, "sealed")
    seal(made)
    return made


@pytest.fixture
def copied(database: Database) -> Database:
    """The same ledger, to be tampered with."""
    return copy_of(database, f"tampered_{next(NUMBERS)}")


def test_nothing_is_found_where_nothing_was_done(database: Database) -> None:
    assert findings(database, heads(database)) == []


@pytest.mark.parametrize("what", TAMPERINGS)
def test_it_is_found_and_named(copied: Database, what: str) -> None:
    statements, told = TAMPERINGS[what]
    tamper(copied, *statements)
    found = [str(one) for one in first_findings(copied)]
    assert any(all(part in one for part in told) for one in found), found


def test_only_what_was_done_is_named(copied: Database) -> None:
    tamper(copied, f"UPDATE entries SET amount = amount + 400 WHERE {SOME_ENTRY}")
    [found] = findings(copied)
    assert found.table == "entries"


def test_a_changed_event_does_not_hide_a_changed_amount(copied: Database) -> None:
    tamper(
        copied,
        f"UPDATE entries SET amount = amount + 400 WHERE {SOME_ENTRY}",
        f"UPDATE events SET payload = '' WHERE (merchant_id, aggregate_id) = "
        f"(SELECT merchant_id, transaction_id FROM entries WHERE {SOME_ENTRY})",
    )
    [found] = findings(copied)
    assert "or its entries are not what was sealed" in str(found)


def _rewrite(database: Database, key: SigningKey) -> None:
    """Changes an amount, and seals everything again as if it had always been so."""
    tamper(
        database,
        f"UPDATE entries SET amount = amount + 400 WHERE {SOME_ENTRY}",
        "DELETE FROM sealed_transactions",
        "DELETE FROM seal_blocks",
        "UPDATE seal_chains SET number = 0, head = decode(repeat('00', 32), 'hex'), entries = 0, xid = '0'",
    )
    seal(database, key)


def test_blocks_that_were_rewritten_without_the_key_are_not_believed(copied: Database) -> None:
    _rewrite(copied, SigningKey.new())
    found = [str(one) for one in findings(copied)]
    assert any("is signed by key" in one and "none of those given" in one for one in found)
    assert any("amount is " in one and ", sealed as " in one for one in found)


def test_a_block_that_was_rewritten_under_the_old_signature_is_not_believed(copied: Database) -> None:
    part = blocks(copied)[0].header.part
    stolen = {(block.header.part, block.header.number): block for block in blocks(copied)}
    _rewrite(copied, SigningKey.new())
    with psycopg.connect(copied.owner_url) as connection:
        connection.execute("SET session_replication_role = replica")
        for (chain, number), block in stolen.items():
            connection.execute(
                "UPDATE seal_blocks SET signature = %s, key_id = %s WHERE part = %s AND number = %s",
                (block.signature, block.key_id, chain, number),
            )
    found = [str(one) for one in findings(copied)]
    assert any(one.startswith(f"seal_blocks {part} ") and "is not signed by key" in one for one in found)


def test_whoever_rewrites_everything_with_the_key_is_caught_by_the_published_heads(copied: Database) -> None:
    published = heads(copied)
    _rewrite(copied, KEY)
    assert findings(copied) == []
    found = [str(one) for one in findings(copied, published)]
    assert any("is not the block whose head was published" in one for one in found)
    assert any("amount is " in one and ", sealed as " in one for one in found)


def test_a_chain_that_was_cut_off_is_caught_by_the_published_heads(copied: Database) -> None:
    published = heads(copied)
    last = published[-1].header
    tamper(
        copied,
        f"DELETE FROM entries WHERE (merchant_id, transaction_id) IN (SELECT merchant_id, transaction_id "
        f"FROM sealed_transactions WHERE part = {last.part} AND number = {last.number})",
        f"DELETE FROM transactions WHERE (merchant_id, id) IN (SELECT merchant_id, transaction_id "
        f"FROM sealed_transactions WHERE part = {last.part} AND number = {last.number})",
        f"DELETE FROM sealed_transactions WHERE part = {last.part} AND number = {last.number}",
        f"DELETE FROM seal_blocks WHERE part = {last.part} AND number = {last.number}",
    )
    key = f"{last.part} {last.number}"
    [found] = [one for one in findings(copied, published) if one.key == key]
    assert "is not the block whose head was published" in str(found)


def test_a_head_that_nobody_signed_accuses_nobody(copied: Database) -> None:
    [first, *_] = heads(copied)
    forged = replace(first, header=replace(first.header, root=bytes(32)))
    [found] = findings(copied, [forged])
    assert found.table == "published heads" and "is not signed by key" in found.what


def test_transactions_that_are_not_sealed_yet_are_no_finding(copied: Database) -> None:
    book_at_random(copied, ["new"], 5, seed=9)
    assert findings(copied) == []
