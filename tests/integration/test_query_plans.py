"""At scale every statement of the hot path goes through an index and touches few blocks.

Each is executed with the parameters that PayFlow itself gives it, under a custom and under a generic plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import psycopg
import pytest

from payflow.domain.folding.submission import Applied, IdempotencyClaim, Result, Submission
from payflow.domain.ids import BUCKETS
from payflow.domain.intent.status import IntentStatus
from payflow.domain.psp_outcome import Failure, NotExecuted
from payflow.store.commit import key_cleaner, keys_reader, loading, writing, writing_ledger, writing_payments
from payflow.store.commit.keys_reader import KeysReader
from payflow.store.database import read_pool, writer_connection
from payflow.store.ledger import balances_reader
from payflow.store.ledger.ledger_reader import LedgerReader
from payflow.store.merchants import merchant_directory, routing_directory, routing_reader
from payflow.store.merchants.merchant_directory import MerchantDirectory
from payflow.store.merchants.routing_directory import RoutingDirectory
from payflow.store.merchants.routing_reader import RoutingReader
from payflow.store.payments import payments_reader
from payflow.store.payments.due_reader import DueReader
from payflow.store.payments.payments_reader import PaymentsReader
from tests import big_database
from tests.big_database import BUSY, INTENTS
from tests.databases import Database
from tests.noting_pool import Asked, NotingPool
from tests.plans import Plan, explained
from tests.submissions import Till, attempt_of, intent_of, one_batch
from tests.writer_tap import Connection, WriterTap, tapped_writers

COLUMNS = ("MERCHANT", "PSP_ACCOUNT")
BATCH = 16
PAGE = 50
TRIAL_BALANCE_PAGE = 5_000
FOREVER = float("inf")
NOW = datetime(2026, 6, 1, tzinfo=UTC)
ALL_DUE = datetime(2028, 1, 1, tzinfo=UTC)

# Blocks of 8 kB. A descent of an index and its row are 4 or 5 at this scale; a write also goes into each
# index, and may extend a table.
LOOK_UP_MAX = 20
PAGE_MAX = 10 * PAGE
LOAD_MAX = 10 * BATCH
WRITE_MAX = 300 + 60 * BATCH
# One descent for each of the 256 buckets, and then the rows themselves.
SWEEP_MAX = BUCKETS * 4
SWEEP_ROWS_MAX = 10 * key_cleaner.BATCH_MAX
DUE_MAX = 200

BIG_TABLES = {
    "accounts",
    "balances",
    "entries",
    "events",
    "idempotency_keys",
    "payment_intents",
    "psp_attempts",
    "refunds",
    "texts",
    "transactions",
}


@pytest.fixture(scope="module")
def database(new_database: Callable[[], Database]) -> Database:
    """A database with a history; see big_database."""
    made = new_database()
    big_database.fill(made)
    return made


@pytest.fixture
def tap(monkeypatch: pytest.MonkeyPatch) -> WriterTap:
    return tapped_writers(monkeypatch)


def _named(module: ModuleType, *but: str) -> set[str]:
    """Every statement that a module names."""
    names = (name for name, value in vars(module).items() if name.isupper() and isinstance(value, str))
    return {vars(module)[name] for name in names if name not in but}


def _assert_indexed(plan: Plan, blocks_max: int) -> None:
    assert not {relation for kind, relation in plan.scans if kind == "Seq Scan"} & BIG_TABLES, plan
    assert plan.blocks <= blocks_max, plan


def _every_kind_of_batch(url: str, till: Till) -> None:
    """Created, authorized, captured and refunded, and captures that were never sent; new accounts, too."""
    one_batch(url, [Till(f"new-{number}").merchant() for number in range(3)])
    results: Sequence[Result] = ()
    steps: Sequence[Callable[[], list[Submission]]] = (
        lambda: [till.create(currency=currency) for currency in ("EUR", *["USD"] * (BATCH - 1))],
        lambda: [till.authorize(intent_of(one).id, f"a-{intent_of(one).id}") for one in results],
        lambda: [till.outcome(attempt_of(one)) for one in results],
        lambda: [till.capture(intent_of(one).id, None, f"c-{intent_of(one).id}") for one in results],
        lambda: [till.outcome(attempt_of(one), NotExecuted(Failure("lost", ""))) for one in results],
        lambda: [till.capture(intent_of(one).id, None, f"c-{intent_of(one).id}") for one in results],
        lambda: [till.outcome(attempt_of(one)) for one in results],
        lambda: [till.refund(intent_of(one).id, 400, f"r-{intent_of(one).id}") for one in results],
        lambda: [till.outcome(attempt_of(one)) for one in results],
    )
    for step in steps:
        results = one_batch(url, step())
        assert all(isinstance(result, Applied) for result in results)


def test_the_writer(database: Database, tap: WriterTap) -> None:
    plans: list[Plan] = []
    modules = (loading, writing, writing_payments, writing_ledger)
    batch_statements = {statement for module in modules for statement in _named(module, *COLUMNS)}

    def explain(connection: Connection, statement: str) -> None:
        if statement in batch_statements:
            plans.extend(explained(connection, statement, tap.parameters))

    def conflict(connection: Connection, statement: str) -> None:
        """Once, so that the next try looks for what was committed."""
        if statement == writer_connection.BEGIN and tap.count(statement) == 2:
            raise psycopg.errors.SerializationFailure("could not serialize access")

    tap.before = explain
    tap.behind = conflict
    _every_kind_of_batch(database.application_url, Till(BUSY))
    missing = batch_statements - {plan.statement for plan in plans}
    assert not missing, sorted(missing)
    for plan in plans:
        _assert_indexed(plan, LOAD_MAX if plan.statement in _named(loading) else WRITE_MAX)


def test_the_triggers_behind_the_writer(database: Database, tap: WriterTap) -> None:
    """What EXPLAIN does not show: rows that a whole transaction read, its triggers included."""
    query = """
        SELECT relname, seq_tup_read, idx_tup_fetch FROM pg_stat_xact_user_tables
        WHERE seq_tup_read > 0 OR idx_tup_fetch > 0
    """
    seen: list[dict[str, Any]] = []

    def ask(connection: Connection, statement: str) -> None:
        if statement == writer_connection.COMMIT:
            seen.extend(connection.execute(query).fetchall())

    tap.before = ask
    _every_kind_of_batch(database.application_url, Till(BUSY, seed=1))
    assert {row["relname"] for row in seen} >= {"balances", "transactions", "payment_intents", "psp_attempts"}
    for row in seen:
        assert row["seq_tup_read"] == 0, row
        assert row["idx_tup_fetch"] <= 8 * BATCH, row


@pytest.fixture
def pool(database: Database) -> Iterator[NotingPool]:
    one = NotingPool(database.application_url)
    one.open()
    yield one
    one.close()


def _plans(session: str, database: Database, asked: Sequence[Asked]) -> list[Plan]:
    """The plans of statements in a session that is set up by ``session``."""
    with psycopg.connect(database.application_url) as connection:
        connection.execute(session.encode())
        return [plan for one in asked for plan in explained(connection, one.sql, one.parameters)]


def _intent(number: int) -> str:
    return f"pi_{number:09}"


def test_look_ups(database: Database, pool: NotingPool) -> None:
    payments, ledger = PaymentsReader(pool), LedgerReader(pool)
    directory, keys = MerchantDirectory(pool), KeysReader(pool)
    assert payments.payment_intent(BUSY, _intent(5_000), FOREVER) is not None
    assert payments.refund(BUSY, "re_000030002", FOREVER) is not None
    assert directory.merchant_id_of(1, FOREVER) == BUSY
    assert directory.read(BUSY, FOREVER) is not None
    assert keys.response(BUSY, IdempotencyClaim("key-5000", b""), NOW, FOREVER) is None
    clearing = "sys:psp_clearing:simulator:USD"
    for at in (None, datetime(2026, 1, 1, 14, tzinfo=UTC)):
        balance = ledger.balance(BUSY, clearing, at, FOREVER)
        assert balance is not None and balance.balance.version > 20_000
    expected = {payments_reader.INTENT, payments_reader.REFUND, balances_reader.BALANCE}
    expected |= {
        balances_reader.BALANCE_AS_OF,
        merchant_directory.ONE_MERCHANT,
        merchant_directory.PSP_ACCOUNTS,
    }
    expected |= {merchant_directory.MERCHANT_OF_SLOT, *_named(keys_reader)}
    assert {one.sql for one in pool.asked} == expected
    for plan in _plans(read_pool.SESSION, database, pool.asked):
        _assert_indexed(plan, LOOK_UP_MAX)


def test_pages(database: Database, pool: NotingPool) -> None:
    payments, ledger = PaymentsReader(pool), LedgerReader(pool)
    middle = _intent(INTENTS // 2)
    for status in (None, IntentStatus.AUTHORIZED, IntentStatus.CAPTURED):
        for before in ("", middle):
            assert len(payments.payment_intents(BUSY, status, before, PAGE, FOREVER)) == PAGE
    assert len(payments.refunds(BUSY, "", "", PAGE, FOREVER)) == PAGE
    assert len(payments.refunds(BUSY, _intent(30_002), "", PAGE, FOREVER)) == 1
    assert len(payments.events(BUSY, _intent(30_002), 0, PAGE, FOREVER)) == 2
    assert len(MerchantDirectory(pool).page("small-1", PAGE, FOREVER)) == PAGE
    assert len(ledger.trial_balance(BUSY, None, "", TRIAL_BALANCE_PAGE, FOREVER).balances) > PAGE
    asked = {one.sql for one in pool.asked}
    assert asked >= _named(payments_reader, "_INTENTS", "_REFUNDS", "INTENT", "REFUND", "NEWEST")
    assert asked >= {balances_reader.TRIAL_BALANCE, balances_reader.TOTALS, merchant_directory.MERCHANTS}
    for plan in _plans(read_pool.SESSION, database, pool.asked):
        _assert_indexed(plan, PAGE_MAX)


def test_background_sweeps(database: Database, pool: NotingPool) -> None:
    due = DueReader(pool)
    last = BUCKETS - 1
    for now, found in ((NOW, 0), (ALL_DUE, DUE_MAX)):
        pool.asked.clear()
        assert len(due.attempts(now, DUE_MAX, FOREVER)) == found
        assert len(due.expired_authorizations(now, DUE_MAX, FOREVER)) == found
        expiry = (0, last, now, key_cleaner.BATCH_MAX, key_cleaner.BATCH_MAX, now)
        plans = _plans(read_pool.SESSION, database, pool.asked)
        plans += _plans(key_cleaner.SESSION, database, [Asked(key_cleaner.DELETE_EXPIRED, expiry)])
        for plan in plans:
            _assert_indexed(plan, SWEEP_MAX + (SWEEP_ROWS_MAX if found else 0))


def test_routing_reads(database: Database, pool: NotingPool) -> None:
    """Decisions need nothing of the database while what they need is fresh."""
    assign = """
        UPDATE payment_intents SET experiment_id = 'exp_1' WHERE merchant_id = %s AND id > %s AND id <= %s
    """
    with psycopg.connect(database.owner_url) as connection:
        connection.execute(assign, [BUSY, _intent(INTENTS - 1_000), _intent(INTENTS)])
    directory, routing = RoutingDirectory(pool, elapsed_s=lambda: 0.0), RoutingReader(pool)
    for _ in range(2):
        assert directory.find(BUSY, FOREVER).version == 0
    assert {one.sql for one in pool.asked} == _named(routing_directory)
    assert len(pool.asked) == 2
    assert routing.rules(BUSY, 1, FOREVER) is None
    assert routing.rule_versions(BUSY, 9, PAGE, FOREVER) == []
    assert routing.experiment(BUSY, "exp_1", FOREVER) is None
    assert routing.experiments(BUSY, "", PAGE, FOREVER) == []
    assert routing.running_experiments("", PAGE, FOREVER) == []
    assert routing.decision(BUSY, _intent(5_000), FOREVER) is None
    [tally] = routing.tallies(BUSY, "exp_1", FOREVER)[""]
    assert (tally.assigned, tally.approved, tally.amount) == (500, 500, 500_000)
    assert _named(routing_reader, "NEWEST", "_ROUTED") <= {one.sql for one in pool.asked}
    for plan in _plans(read_pool.SESSION, database, pool.asked):
        is_counted = plan.statement == routing_reader.TALLIES
        _assert_indexed(plan, tally.assigned * 2 if is_counted else LOOK_UP_MAX)
