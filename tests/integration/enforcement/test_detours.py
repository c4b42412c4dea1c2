"""Other ways in than a plain INSERT: COPY, writable CTEs, tables of one's own in front of the ledger's."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.ledger_attempts import (
    NOT_A_HOLD_TAKEN_BACK,
    NOT_CONTINUED,
    NOT_WHOLE,
    UNBALANCED,
    UNIQUE,
    Attempt,
    Books,
    booked,
    draft,
    named,
    plain,
    refuse,
)
from tests.ledger_rows import LATER, Line, Statement, everything, insert, released, run, running_sums

LINES = (Line("cash", 50), Line("owed", -50))
RIGHT = booked(draft("next", *LINES))
UNEVEN = booked(draft("next", Line("cash", 50), Line("owed", -49)))
FROM_THE_SAME_STATE = booked(draft("again", *LINES))
RELEASE = booked(draft("next", released("cash", -10), released("owed", 10), resolves_transaction_id="hold"))
OF_ONES_OWN = plain(
    "CREATE TEMPORARY TABLE accounts AS SELECT * FROM public.accounts",
    "CREATE TEMPORARY TABLE balances AS SELECT * FROM public.balances",
    "CREATE TEMPORARY TABLE transactions AS SELECT * FROM public.transactions",
    "CREATE TEMPORARY TABLE booked AS SELECT * FROM public.entries",
    "UPDATE balances SET posted = 1, version = 7",
    "UPDATE transactions SET status = 'RESOLVED', entry_count = 2",
    "SET LOCAL search_path = pg_temp, public",
)


def _row(version: int, account_id: str, position: int) -> dict[str, Any]:
    """An entry of the right transaction, at any version."""
    rows = running_sums().entries("next", LINES, LATER)
    return rows[position - 1] | {"account_id": account_id, "account_version": version}


def _at_once(first: Statement, second: Statement) -> Statement:
    """Two INSERTs in one statement."""
    return Statement(f"WITH first AS ({first.sql}) {second.sql}", first.parameters + second.parameters)


def _public(statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
    """INSERTs into the ledger's own tables, whatever the search path is."""
    return tuple(Statement(one.sql.replace("INTO ", "INTO public.", 1), one.parameters) for one in statements)


CASH = insert("entries", _row(3, "cash", 1))
OWED = insert("entries", _row(3, "owed", 2))
PASSED_OVER = insert("entries", _row(2, "cash", 1), _row(3, "owed", 2))

ATTEMPTS = (
    Attempt("a writable CTE", UNBALANCED, (_at_once(*UNEVEN),)),
    Attempt("one half now and one later", UNBALANCED, (RIGHT[0], CASH, OWED)),
    Attempt("entries before their transaction", NOT_WHOLE, RIGHT[::-1]),
    Attempt("from a state that has passed", UNIQUE, (*RIGHT, *FROM_THE_SAME_STATE)),
    Attempt(
        "passing over what is there",
        UNBALANCED,
        (RIGHT[0], Statement(f"{PASSED_OVER.sql} ON CONFLICT DO NOTHING", PASSED_OVER.parameters)),
    ),
    Attempt(
        "in front of a table of one's own",
        NOT_CONTINUED,
        (
            *OF_ONES_OWN,
            *_public((RIGHT[0], insert("entries", _row(8, "cash", 1), _row(8, "owed", 2)))),
        ),
    ),
    Attempt(
        "a hold resolved in a table of one's own", NOT_A_HOLD_TAKEN_BACK, (*OF_ONES_OWN, *_public(RELEASE))
    ),
    Attempt(
        "told too early",
        NOT_A_HOLD_TAKEN_BACK,
        (*plain("SET CONSTRAINTS ALL IMMEDIATE"), *RELEASE),
    ),
    Attempt(
        "told as late as can be",
        NOT_A_HOLD_TAKEN_BACK,
        (*plain("SET CONSTRAINTS ALL DEFERRED", "SAVEPOINT one"), *RELEASE, *plain("RELEASE one")),
    ),
    Attempt("in READ COMMITTED", UNBALANCED, UNEVEN, "READ COMMITTED"),
)


@named(ATTEMPTS)
def test_the_application_cannot(books: Books, attempt: Attempt) -> None:
    refuse(books, books.application, attempt)


@named(ATTEMPTS)
def test_not_even_the_owner_can(books: Books, attempt: Attempt) -> None:
    refuse(books, books.owner, attempt)


def _copy(connection: psycopg.Connection[Any], *rows: dict[str, Any]) -> None:
    statement = f"COPY entries ({', '.join(rows[0])}) FROM STDIN"
    with connection.cursor().copy(statement.encode()) as copy:
        for row in rows:
            copy.write_row(list(row.values()))


@pytest.mark.parametrize("role", ["application", "owner"])
def test_copy_is_held_to_the_same(books: Books, role: str) -> None:
    before = everything(books.owner)
    connection: psycopg.Connection[Any] = getattr(books, role)
    for changed, sqlstate in (({"amount": -49}, UNBALANCED), ({"posted_after": 0}, NOT_CONTINUED)):
        connection.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
        run(connection, (RIGHT[0],))
        with pytest.raises(psycopg.Error) as caught:
            _copy(connection, _row(3, "cash", 1), _row(3, "owed", 2) | changed)
        connection.execute("ROLLBACK")
        assert caught.value.sqlstate == sqlstate
    assert everything(books.owner) == before


def _version_of_cash(connection: psycopg.Connection[Any]) -> Any:
    row = connection.execute("SELECT version FROM public.balances WHERE account_id = 'cash'").fetchone()
    return row and row[0]


def test_copied_entries_that_add_up_are_accepted(application: psycopg.Connection[Any]) -> None:
    run(application, (RIGHT[0],))
    _copy(application, _row(3, "cash", 1), _row(3, "owed", 2))
    assert _version_of_cash(application) == 3


def test_two_inserts_of_one_statement_are_taken_together(application: psycopg.Connection[Any]) -> None:
    run(application, (RIGHT[0], _at_once(CASH, OWED)))
    assert _version_of_cash(application) == 3


def test_no_entries_at_all_are_accepted(application: psycopg.Connection[Any]) -> None:
    run(application, plain("INSERT INTO entries SELECT * FROM entries WHERE false"))
    assert _version_of_cash(application) == 2


def test_a_table_of_ones_own_does_not_stand_in_for_the_ledgers(
    application: psycopg.Connection[Any],
) -> None:
    run(application, (*OF_ONES_OWN, *_public(RIGHT)))
    assert _version_of_cash(application) == 3
