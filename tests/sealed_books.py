"""A sealed ledger to look at, and to tamper with."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

import psycopg
from psycopg.rows import dict_row

from payflow.domain.proof.block import PARTS, Block
from payflow.domain.proof.keys import PublicKeys, SigningKey
from payflow.domain.proof.published_head import PublishedHead
from payflow.events.proof.tampering import Finding
from payflow.events.proof.verifying import Verifier
from payflow.store.proof.sealed_ledger import SealedLedger
from payflow.store.proof.sealing import Sealer
from tests.databases import Database, make_copy, wait_for_others
from tests.random_books import RandomBooks
from tests.random_payments import RandomPayments
from tests.submissions import Till, committer

FROM = datetime(2030, 1, 1, tzinfo=UTC)
SEALED_AT = FROM + timedelta(days=1)
KEY = SigningKey.new()
# Few enough that there are many blocks.
BATCH_EVENTS = 12
FIRST = 50


def book_at_random(database: Database, merchants: Sequence[str], steps: int, seed: int = 7) -> None:
    """Books of callers, and payments, each with holds, reversals and all that there is."""
    pipeline = committer(database.application_url)
    pipeline.start()
    with psycopg.connect(database.owner_url, autocommit=True, row_factory=dict_row) as connection:
        for merchant_id in merchants:
            till = Till(merchant_id, seed, now=FROM)
            books = RandomBooks(pipeline, till, random.Random(seed))
            books.set_up()
            payments = RandomPayments(pipeline, till, random.Random(seed), connection)
            payments.set_up()
            for _ in range(steps):
                books.step()
                payments.step()
    pipeline.close()


def seal(database: Database, key: SigningKey = KEY, batch_events: int = BATCH_EVENTS) -> int:
    """Seals all that may be sealed by now, and says how many transactions that were.

    Transactions that are no matter of this database's are waited for.
    """
    wait_for_others(database)
    sealer = Sealer(database.application_url, key, lambda: SEALED_AT, batch_events)
    transactions = 0
    while (sealed := sealer.step()) is not None:
        transactions += sealed.transactions
    sealer.close()
    return transactions


def findings(
    database: Database, published: Iterable[PublishedHead] = (), key: SigningKey = KEY
) -> list[Finding]:
    """What `payflow verify` finds."""
    ledger = SealedLedger(database.application_url, published)
    try:
        return list(Verifier(ledger, PublicKeys([key.public_pem])).findings())
    finally:
        ledger.close()


def first_findings(database: Database, key: SigningKey = KEY) -> list[Finding]:
    """The first of them, of which there may be more than anybody can hold."""
    ledger = SealedLedger(database.application_url)
    try:
        return list(islice(Verifier(ledger, PublicKeys([key.public_pem])).findings(), FIRST))
    finally:
        ledger.close()


def blocks(database: Database) -> list[Block]:
    """All of them, chain by chain."""
    ledger = SealedLedger(database.application_url)
    try:
        return [block for part in range(PARTS) for block in ledger.blocks(part)]
    finally:
        ledger.close()


def heads(database: Database) -> list[PublishedHead]:
    """As they are published."""
    return [PublishedHead(block.header, block.signature, block.key_id) for block in blocks(database)]


def copy_of(database: Database, name: str) -> Database:
    """The same again, in a database of its own. Whoever is connected to the original must be about to go."""
    original = str(psycopg.conninfo.conninfo_to_dict(database.owner_url)["dbname"])
    with psycopg.connect(database.owner_url, dbname="postgres", autocommit=True) as connection:
        make_copy(connection, original, name)
    return Database(
        *(url.replace(f"/{original}?", f"/{name}?") for url in (database.owner_url, database.application_url))
    )


def tamper(database: Database, *statements: str) -> None:
    """What a superuser does with triggers off; each statement has to meet something."""
    with psycopg.connect(database.owner_url) as connection:
        connection.execute("SET session_replication_role = replica")
        for statement in statements:
            assert connection.execute(statement.encode()).rowcount != 0, statement
