"""What PostgreSQL itself refuses, whoever asks: wrong entries, changed history, balances written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from payflow.store import migrate
from tests.databases import Database
from tests.ledger_rows import (
    EARLIER,
    FIRST,
    LATER,
    MERCHANT,
    Statement,
    account,
    entry,
    everything,
    insert,
    open_books,
    run,
    transaction,
)
from tests.services import DEBIAN_POSTGRES_15, PostgresServer, running_postgres

NEVER_CHANGED = "PF001"
NOT_SERIALIZABLE = "PF002"
UNBALANCED = "PF003"
NOT_WHOLE = "PF004"
NOT_CONTINUED = "PF005"
UNIQUE = "23505"
CHECK = "23514"
NO_RIGHT = "42501"


@pytest.fixture(scope="module")
def postgres_15() -> Iterator[PostgresServer]:
    if not DEBIAN_POSTGRES_15.exists():
        pytest.skip("PostgreSQL 15 of Debian is not installed")
    with running_postgres(DEBIAN_POSTGRES_15) as server:
        yield server


@dataclass(frozen=True, slots=True)
class Books:
    """Open books, and the two who try to change them; see open_books."""

    owner: psycopg.Connection[Any]
    application: psycopg.Connection[Any]


@pytest.fixture(scope="module", params=["postgres", "postgres_15"])
def books(request: pytest.FixtureRequest) -> Iterator[Books]:
    server: PostgresServer = request.getfixturevalue(request.param)
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE enforcement")
    database = Database.on(server, "enforcement")
    migrate.up(database.owner_url, database.application_url)
    with (
        psycopg.connect(database.owner_url, autocommit=True) as owner,
        psycopg.connect(database.application_url, autocommit=True) as application,
    ):
        open_books(application)
        yield Books(owner, application)


@dataclass(frozen=True, slots=True)
class Attempt:
    """Statements of one transaction, one of which must fail with ``sqlstate``."""

    name: str
    sqlstate: str
    statements: tuple[Statement, ...]
    isolation: str = "SERIALIZABLE"


# What comes next in the books of open_books and adds up: 50 more from cash to owed.
CASH: dict[str, Any] = entry("cash", 3, "next", 1, 50, posted_after=150, pending_debits_after=10)
OWED: dict[str, Any] = entry("owed", 3, "next", 2, -50, posted_after=-150, pending_credits_after=10)
NEXT = insert("transactions", transaction("next"))
EVENT: dict[str, Any] = {
    "merchant_id": MERCHANT,
    "aggregate_id": "pi_1",
    "aggregate_version": 1,
    "bucket": 0,
    "type": "payment_intent.created",
    "schema_version": 1,
    "payload": b"",
    "occurred_at": FIRST,
    "actor": "test",
    "correlation_id": "",
    "causation_id": "command",
    "causation_seq": 0,
    "traceparent": "",
}


def _entries(cash: dict[str, Any], owed: dict[str, Any]) -> tuple[Statement, ...]:
    """The next transaction with something changed in its entries."""
    return (NEXT, insert("entries", CASH | cash, OWED | owed))


def _announced(entry_count: int) -> Statement:
    return insert("transactions", transaction("next", entry_count=entry_count))


def _from_till(**columns: Any) -> dict[str, Any]:
    """A credit of 5 on the account that must not be overdrawn, which holds nothing."""
    return entry("till", 1, "next", 1, -5, **columns)


def _twice(column: str, value: str) -> tuple[Statement, ...]:
    return (insert("transactions", *(transaction(one, **{column: value}) for one in ("next", "after next"))),)


def _plain(*statements: str) -> tuple[Statement, ...]:
    return tuple(Statement(statement) for statement in statements)


HOLD = {"layer": "PENDING"}
EURO = {"currency": "EUR"}
OTHERS = {"merchant_id": "other"}
RELEASE = {"layer": "PENDING", "releases": True}

WRONG_INSERTS = (
    Attempt("unbalanced", UNBALANCED, _entries({"amount": 51, "posted_after": 151}, {})),
    Attempt("balanced over currencies only", UNBALANCED, _entries({}, EURO | {"account_id": "euros"})),
    Attempt("balanced over layers only", UNBALANCED, _entries({}, HOLD | {"pending_credits_after": 60})),
    Attempt("over two statements", UNBALANCED, (NEXT, insert("entries", CASH), insert("entries", OWED))),
    Attempt(
        "over two statements that balance",
        NOT_WHOLE,
        (
            _announced(4),
            insert("entries", CASH, OWED),
            insert(
                "entries",
                CASH | {"account_version": 4, "position": 3, "posted_after": 200},
                OWED | {"account_version": 4, "position": 4, "posted_after": -200},
            ),
        ),
    ),
    Attempt("fewer entries than announced", NOT_WHOLE, (_announced(3), insert("entries", CASH, OWED))),
    Attempt("missing transaction", NOT_WHOLE, (insert("entries", CASH, OWED),)),
    Attempt("foreign merchant's transaction", NOT_WHOLE, _entries(OTHERS, OTHERS)),
    Attempt(
        "added to a transaction",
        NOT_WHOLE,
        (
            insert(
                "entries",
                CASH | {"transaction_id": "posted", "position": 3, "recorded_at": FIRST},
                OWED | {"transaction_id": "posted", "position": 4, "recorded_at": FIRST},
            ),
        ),
    ),
    Attempt("position skipped", NOT_WHOLE, _entries({}, {"position": 3})),
    Attempt("position taken", UNIQUE, _entries({}, {"position": 1})),
    Attempt("another time than the transaction's", NOT_WHOLE, _entries({"recorded_at": FIRST}, {})),
    Attempt(
        "time goes back",
        NOT_CONTINUED,
        (
            insert("transactions", transaction("next", recorded_at=EARLIER)),
            insert("entries", CASH | {"recorded_at": EARLIER}, OWED | {"recorded_at": EARLIER}),
        ),
    ),
    Attempt("version repeated", UNIQUE, _entries({"account_version": 2}, {})),
    Attempt("version skipped", NOT_CONTINUED, _entries({"account_version": 4}, {})),
    Attempt("wrong posted_after", NOT_CONTINUED, _entries({"posted_after": 151}, {})),
    Attempt("wrong pending_debits_after", NOT_CONTINUED, _entries({"pending_debits_after": 11}, {})),
    Attempt("wrong pending_credits_after", NOT_CONTINUED, _entries({}, {"pending_credits_after": 9})),
    Attempt("not the account's currency", NOT_CONTINUED, _entries(EURO, EURO)),
    Attempt("missing account", NOT_CONTINUED, _entries({"account_id": "none", "account_version": 1}, {})),
    Attempt("zero amount", CHECK, _entries({"amount": 0}, {})),
    Attempt("posted entry that releases", CHECK, _entries({"releases": True}, {})),
    Attempt(
        "more released than held",
        CHECK,
        _entries(
            RELEASE | {"amount": -11, "posted_after": 100, "pending_debits_after": -1},
            RELEASE | {"amount": 11, "posted_after": -100, "pending_credits_after": -1},
        ),
    ),
    Attempt(
        "overdraft",
        CHECK,
        (NEXT, insert("entries", _from_till(posted_after=-5), OWED | {"amount": 5, "posted_after": -95})),
    ),
    Attempt(
        "overdraft by a hold",
        CHECK,
        (
            insert("transactions", transaction("next", status="PENDING")),
            insert(
                "entries",
                _from_till(pending_credits_after=5, **HOLD),
                OWED | HOLD | {"amount": 5, "posted_after": -100, "pending_debits_after": 5},
            ),
        ),
    ),
    Attempt("transaction of one entry", CHECK, (_announced(1),)),
    Attempt("transaction id used again", UNIQUE, (insert("transactions", transaction("posted")),)),
    Attempt("account opened twice", UNIQUE, (insert("accounts", account("cash", "ASSET")),)),
    Attempt("second resolution", UNIQUE, _twice("resolves_transaction_id", "hold")),
    Attempt("second reversal", UNIQUE, _twice("reverses_transaction_id", "posted")),
    Attempt("second use of a reference", UNIQUE, _twice("reference", "order-1")),
    Attempt("event version taken", UNIQUE, (insert("events", EVENT, EVENT | {"causation_id": "other"}),)),
    Attempt("command taken", UNIQUE, (insert("events", EVENT, EVENT | {"aggregate_id": "pi_2"}),)),
    Attempt("event outside SERIALIZABLE", NOT_SERIALIZABLE, (insert("events", EVENT),), "REPEATABLE READ"),
)

# What the owner is stopped from by a trigger, and the application by its rights already.
CHANGES_OF_HISTORY = tuple(
    Attempt(statement, NEVER_CHANGED, _plain(statement))
    for statement in (
        "UPDATE entries SET amount = amount",
        "DELETE FROM entries",
        "TRUNCATE entries",
        "UPDATE events SET actor = 'somebody else'",
        "DELETE FROM events",
        "TRUNCATE events",
        "DELETE FROM transactions",
        "TRUNCATE transactions",
        "UPDATE accounts SET allow_negative = true",
        "DELETE FROM accounts",
        "TRUNCATE accounts",
        "UPDATE transactions SET recorded_at = now() WHERE id = 'posted'",
        "UPDATE transactions SET status = 'RESOLVED', reference = 'mine' WHERE id = 'hold'",
    )
)

# The one column that the application may update, and only from PENDING to RESOLVED.
WRONG_RESOLUTIONS = tuple(
    Attempt(name, NEVER_CHANGED, _plain(*statements))
    for name, statements in {
        "resolving what is posted": ["UPDATE transactions SET status = 'RESOLVED' WHERE id = 'posted'"],
        "posting a hold in place": ["UPDATE transactions SET status = 'POSTED' WHERE id = 'hold'"],
        "taking a resolution back": [
            "UPDATE transactions SET status = 'RESOLVED' WHERE id = 'hold'",
            "UPDATE transactions SET status = 'PENDING' WHERE id = 'hold'",
        ],
        "resolving twice": ["UPDATE transactions SET status = 'RESOLVED' WHERE id = 'hold'"] * 2,
    }.items()
)

BEYOND_ITS_RIGHTS = tuple(
    Attempt(statement, NO_RIGHT, _plain(statement))
    for statement in (
        *(attempt.name for attempt in CHANGES_OF_HISTORY),
        "UPDATE balances SET posted = posted + 1",
        "DELETE FROM balances",
        "TRUNCATE balances",
        "INSERT INTO balances VALUES ('books', 'new', 'USD', true, true)",
        "ALTER TABLE entries DISABLE TRIGGER ALL",
        "DROP TRIGGER entries_apply ON entries",
        "DROP TABLE entries",
        "SET session_replication_role = replica",
        "CREATE TABLE public.mine (id integer)",
        "CREATE FUNCTION public.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA mine",
        "SELECT open_balances()",
        "SELECT apply_entries()",
        "UPDATE schema_migrations SET version = 1",
        "SET ROLE postgres",
    )
)


def _refuse(books: Books, connection: psycopg.Connection[Any], attempt: Attempt) -> None:
    before = everything(books.owner)
    connection.execute(f"BEGIN ISOLATION LEVEL {attempt.isolation}".encode())
    with pytest.raises(psycopg.Error) as caught:
        run(connection, attempt.statements)
    connection.execute("ROLLBACK")
    assert caught.value.sqlstate == attempt.sqlstate, caught.value
    assert everything(books.owner) == before


def _named(attempts: tuple[Attempt, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("attempt", attempts, ids=lambda attempt: attempt.name)


@_named(WRONG_INSERTS + WRONG_RESOLUTIONS + BEYOND_ITS_RIGHTS)
def test_the_application_cannot(books: Books, attempt: Attempt) -> None:
    _refuse(books, books.application, attempt)


@_named(WRONG_INSERTS + WRONG_RESOLUTIONS + CHANGES_OF_HISTORY)
def test_not_even_the_owner_can(books: Books, attempt: Attempt) -> None:
    _refuse(books, books.owner, attempt)


@pytest.fixture
def application(books: Books) -> Iterator[psycopg.Connection[Any]]:
    """A transaction of the application's that is rolled back."""
    books.application.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
    yield books.application
    books.application.execute("ROLLBACK")


def _balance(connection: psycopg.Connection[Any], account_id: str) -> tuple[Any, ...] | None:
    query = """
        SELECT posted, pending_debits, pending_credits, version, recorded_at FROM balances
        WHERE merchant_id = %s AND account_id = %s
    """
    row: tuple[Any, ...] | None = connection.execute(query, (MERCHANT, account_id)).fetchone()
    return row


def test_what_adds_up_is_accepted_and_moves_the_balances(application: psycopg.Connection[Any]) -> None:
    run(application, (*_entries({}, {}), insert("events", EVENT)))
    assert _balance(application, "cash") == (150, 10, 0, 3, LATER)
    assert _balance(application, "owed") == (-150, 0, 10, 3, LATER)


def test_two_entries_of_one_account_in_one_statement_are_both_counted(
    application: psycopg.Connection[Any],
) -> None:
    back = {"account_version": 4, "transaction_id": "back"}
    entries = (
        CASH,
        OWED,
        CASH | back | {"amount": -20, "posted_after": 130},
        OWED | back | {"amount": 20, "posted_after": -130},
    )
    run(application, (NEXT, insert("transactions", transaction("back")), insert("entries", *entries)))
    assert _balance(application, "cash") == (130, 10, 0, 4, LATER)
    assert _balance(application, "owed") == (-130, 0, 10, 4, LATER)


def test_a_hold_is_resolved_once(application: psycopg.Connection[Any]) -> None:
    release = (
        insert("transactions", transaction("next", resolves_transaction_id="hold")),
        insert(
            "entries",
            CASH | RELEASE | {"amount": -10, "posted_after": 100, "pending_debits_after": 0},
            OWED | RELEASE | {"amount": 10, "posted_after": -100, "pending_credits_after": 0},
        ),
    )
    run(application, (*release, *_plain("UPDATE transactions SET status = 'RESOLVED' WHERE id = 'hold'")))
    assert _balance(application, "cash") == (100, 0, 0, 3, LATER)


def test_a_table_of_the_callers_own_does_not_stand_in_for_balances(
    application: psycopg.Connection[Any],
) -> None:
    run(
        application,
        _plain(
            "CREATE TEMPORARY TABLE balances AS SELECT * FROM public.balances",
            "SET LOCAL search_path = pg_temp, public",
        ),
    )
    run(application, _entries({}, {}))
    query = "SELECT version FROM public.balances WHERE account_id = 'cash'"
    assert application.execute(query).fetchone() == (3,)
