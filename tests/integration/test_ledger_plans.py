"""What reads of the ledger cost does not depend on how much there is: every one is a few index look-ups.

``PAYFLOW_DEEP_ENTRIES`` says how many entries the deep account has; ``pytest -s`` shows the plans.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import psycopg
import pytest

from payflow.domain.ledger.account import AccountType
from payflow.domain.ledger.statements import AccountFilter, EntryFilter, Period, TransactionFilter
from payflow.domain.ledger.transaction import TransactionStatus
from payflow.store.database import read_pool
from payflow.store.ledger import balances_reader
from payflow.store.ledger.ledger_reader import LedgerReader
from tests import deep_book
from tests.databases import Database
from tests.deep_book import ACCOUNTS, DEEP, HOLDS_EVERY, MERCHANT, recorded_at, transaction_id, wallet_id
from tests.noting_pool import NotingPool
from tests.plans import Plan, planned_anew, settled, shown

DEEP_ENTRIES = int(os.environ.get("PAYFLOW_DEEP_ENTRIES", "100000"))
SMALL_ENTRIES = 1_000
FOREVER = float("inf")
PAGE = 50
BATCH = 1_000
INSTANTS = 20

# Blocks of 8 kB. A descent of an index and its row are 5 at most, and may begin beside the right leaf; a
# B-tree of a thousand times as many entries is one or two levels higher.
LOOK_UP_MAX = 12
HIGHER_MAX = 3
PAGE_MAX = 12 * PAGE
BATCH_MAX = 12 * BATCH


@pytest.fixture(scope="module")
def database(new_database: Callable[[], Database]) -> Database:
    made = new_database()
    deep_book.fill(made, DEEP_ENTRIES)
    return made


@pytest.fixture(scope="module")
def small(new_database: Callable[[], Database]) -> Database:
    made = new_database()
    deep_book.fill(made, SMALL_ENTRIES)
    return made


@pytest.fixture
def pool(database: Database) -> Iterator[NotingPool]:
    one = NotingPool(database.application_url)
    one.open()
    yield one
    one.close()


@pytest.fixture
def ledger(pool: NotingPool) -> LedgerReader:
    return LedgerReader(pool)


def plans(database: Database, pool: NotingPool) -> list[Plan]:
    """Of everything that was asked, as the readers' sessions come to execute it; shown, too."""
    with psycopg.connect(database.application_url) as connection:
        connection.execute(read_pool.SESSION)
        found = [planned_anew(connection, one.sql, one.parameters) for one in pool.asked]
        found += [settled(connection, one.sql, one.parameters) for one in pool.asked if not one.plan_anew]
    pool.asked.clear()
    for plan in found:
        print(plan)
    return found


def assert_cheap(database: Database, pool: NotingPool, blocks_max: int) -> None:
    asked = {one.sql for one in pool.asked}
    found = plans(database, pool)
    assert {plan.statement for plan in found} == asked
    for plan in found:
        assert not [relation for kind, relation in plan.scans if kind == "Seq Scan"], plan
        assert plan.blocks <= blocks_max, plan


def instants(entries: int) -> list[datetime]:
    """From before the first entry to behind the last, some of them between two entries' times."""
    choices = random.Random(entries)
    last_s = int((recorded_at(entries) - deep_book.STARTED).total_seconds())
    offsets = [-1, 0, last_s, last_s + 1, *(choices.uniform(0, last_s) for _ in range(INSTANTS))]
    return [deep_book.STARTED + timedelta(seconds=offset) for offset in offsets]


def balance_plans(database: Database, entries: int) -> list[Plan]:
    """Of a balance as of every instant."""
    pool = NotingPool(database.application_url)
    pool.open()
    for at in instants(entries):
        found = LedgerReader(pool).balance(MERCHANT, DEEP, at, FOREVER)
        version = deep_book.last_version_by(at, entries)
        assert found is not None
        assert (found.balance.version, found.balance.posted, found.as_of) == (version, version, at)
    middle = pool.asked[len(pool.asked) // 2]
    with psycopg.connect(database.application_url) as connection:
        print(f"\n{entries} entries:\n{shown(connection, middle.sql, middle.parameters)}")
    made = plans(database, pool)
    pool.close()
    assert {plan.statement for plan in made} == {balances_reader.BALANCE_AS_OF}
    assert len(made) == 2 * len(instants(entries))
    return made


def test_a_balance_as_of_an_instant_costs_the_same_however_long_the_history(
    database: Database, small: Database
) -> None:
    on_many = balance_plans(database, DEEP_ENTRIES)
    on_few = balance_plans(small, SMALL_ENTRIES)
    for plan in (*on_many, *on_few):
        assert {kind for kind, _ in plan.scans} <= {"Index Scan", "Index Only Scan"}, plan
        assert plan.blocks <= LOOK_UP_MAX, plan
    assert max(plan.blocks for plan in on_many) <= max(plan.blocks for plan in on_few) + HIGHER_MAX


def test_many_balances(database: Database, pool: NotingPool, ledger: LedgerReader) -> None:
    wanted = [DEEP, *map(wallet_id, range(1, BATCH))]
    middle = recorded_at(DEEP_ENTRIES // 2)
    for at, version in ((None, DEEP_ENTRIES), (middle, deep_book.last_version_by(middle, DEEP_ENTRIES))):
        found = ledger.balances(MERCHANT, wanted, at, FOREVER)
        assert [one.account_id for one in found] == wanted
        assert found[0].balance.version == version
    # Taken by themselves, these might as well read both small tables whole.
    for plan in plans(database, pool):
        assert ("Seq Scan", "entries") not in plan.scans, plan
        assert plan.blocks <= BATCH_MAX, plan


@pytest.mark.parametrize("rising", [True, False])
def test_entries_from_anywhere_in_either_direction(
    database: Database, pool: NotingPool, ledger: LedgerReader, rising: bool
) -> None:
    for beyond in (PAGE + 1, DEEP_ENTRIES // 2, DEEP_ENTRIES - PAGE):
        found = ledger.entries(MERCHANT, EntryFilter(DEEP), beyond, rising, PAGE, FOREVER)
        step = 1 if rising else -1
        assert found is not None
        versions = [one.booked.account_version for one in found]
        assert versions == [beyond + step * place for place in range(1, PAGE + 1)]
    for wanted, lines in (
        (EntryFilter(transaction_id=transaction_id(77)), 2),
        (EntryFilter(DEEP, transaction_id(77)), 1),
    ):
        found = ledger.entries(MERCHANT, wanted, 0 if rising else 9, rising, PAGE, FOREVER)
        assert found is not None and len(found) == lines
    assert_cheap(database, pool, PAGE_MAX)


def test_a_statement(database: Database, pool: NotingPool, ledger: LedgerReader) -> None:
    period = Period(recorded_at(DEEP_ENTRIES // 4), recorded_at(DEEP_ENTRIES // 2))
    first = ledger.statement(MERCHANT, DEEP, period, None, 0, PAGE, FOREVER)
    assert first is not None and first.entries[0].recorded_at == period.start
    middle = DEEP_ENTRIES // 3
    page = ledger.statement(MERCHANT, DEEP, period, first.versions, middle, PAGE, FOREVER)
    assert page is not None and page.entries[0].booked.account_version == middle + 1
    assert (page.opening, page.closing) == (first.opening, first.closing)
    assert_cheap(database, pool, PAGE_MAX)


def test_one_transaction(database: Database, pool: NotingPool, ledger: LedgerReader) -> None:
    for number in (2, DEEP_ENTRIES // 2):
        found = ledger.transaction(MERCHANT, transaction_id(number), FOREVER)
        assert found is not None and len(found.recorded.booked.entries) == 2
    assert_cheap(database, pool, 3 * LOOK_UP_MAX)


HOLDS = DEEP_ENTRIES // HOLDS_EVERY
TRANSACTIONS = {
    "all": (TransactionFilter(), PAGE),
    "reference": (TransactionFilter(reference="ref-1000"), 1),
    "posted": (TransactionFilter(status=TransactionStatus.POSTED), PAGE),
    "open holds": (TransactionFilter(status=TransactionStatus.PENDING), min(PAGE, HOLDS)),
    "resolved holds": (TransactionFilter(status=TransactionStatus.RESOLVED), min(PAGE, HOLDS)),
    "rare metadata": (TransactionFilter(metadata={"order": "000000500"}), 1),
    "common metadata": (TransactionFilter(metadata={"channel": "web"}), PAGE),
    "no such metadata": (TransactionFilter(metadata={"order": "none"}), 0),
}


@pytest.mark.parametrize("kind", TRANSACTIONS)
def test_pages_of_transactions(database: Database, pool: NotingPool, ledger: LedgerReader, kind: str) -> None:
    wanted, count = TRANSACTIONS[kind]
    assert len(ledger.transactions(MERCHANT, wanted, "", PAGE, FOREVER)) == count
    ledger.transactions(MERCHANT, wanted, transaction_id(DEEP_ENTRIES // 2), PAGE, FOREVER)
    assert_cheap(database, pool, 2 * PAGE_MAX)


RARE = ACCOUNTS // 5_000
ACCOUNT_PAGES = {
    "all": (AccountFilter(), PAGE),
    "rare type": (AccountFilter(AccountType.EXPENSE), RARE),
    "common type": (AccountFilter(AccountType.LIABILITY), PAGE),
    "rare currency": (AccountFilter(currency="JPY"), RARE),
    "rare type, common currency": (AccountFilter(AccountType.EXPENSE, "USD"), RARE),
    "rare metadata": (AccountFilter(metadata={"owner": "000500"}), 1),
    "common metadata": (AccountFilter(metadata={"kind": "wallet"}), PAGE),
    "common metadata and type": (AccountFilter(AccountType.LIABILITY, metadata={"kind": "wallet"}), PAGE),
    "no such metadata": (AccountFilter(metadata={"owner": "none"}), 0),
}


@pytest.mark.parametrize("kind", ACCOUNT_PAGES)
def test_pages_of_accounts(database: Database, pool: NotingPool, ledger: LedgerReader, kind: str) -> None:
    wanted, count = ACCOUNT_PAGES[kind]
    assert len(ledger.accounts(MERCHANT, wanted, "", PAGE, FOREVER)) == count
    ledger.accounts(MERCHANT, wanted, wallet_id(ACCOUNTS // 2), PAGE, FOREVER)
    assert_cheap(database, pool, PAGE_MAX)


def test_rare_metadata_is_found_by_its_index(
    pool: NotingPool, ledger: LedgerReader, database: Database
) -> None:
    ledger.accounts(MERCHANT, AccountFilter(metadata={"owner": "000500"}), "", PAGE, FOREVER)
    ledger.transactions(MERCHANT, TransactionFilter(metadata={"order": "000000500"}), "", PAGE, FOREVER)
    by_metadata = [plan for plan in plans(database, pool) if "@>" in plan.statement]
    assert len(by_metadata) == 2
    for plan in by_metadata:
        assert ("Bitmap Heap Scan", "texts") in plan.scans, plan


def test_a_page_of_the_trial_balance_as_of_an_instant(
    database: Database, pool: NotingPool, ledger: LedgerReader
) -> None:
    middle = recorded_at(DEEP_ENTRIES // 2)
    version = deep_book.last_version_by(middle, DEEP_ENTRIES)
    trial = ledger.trial_balance(MERCHANT, middle, "", PAGE, FOREVER)
    assert [one.account_id for one in trial.balances[:2]] == ["against", "deep"]
    assert [one.balance.version for one in trial.balances[:3]] == [version, version, 0]
    assert [(one.currency, one.debits, one.credits) for one in trial.totals] == [
        ("JPY", 0, 0),
        ("USD", version, version),
    ]
    page, totals = sorted(plans(database, pool), key=lambda plan: plan.blocks)[::2]
    assert page.blocks <= PAGE_MAX, page
    # One look-up for each account of the book, however long its history.
    assert ("Index Scan", "entries") in totals.scans, totals
    assert totals.blocks <= ACCOUNTS * LOOK_UP_MAX, totals
