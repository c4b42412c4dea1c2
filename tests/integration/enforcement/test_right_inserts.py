"""What adds up is accepted, and balances follow it."""

from __future__ import annotations

from typing import Any

import psycopg

from tests.ledger_attempts import booked, draft
from tests.ledger_rows import LATER, MERCHANT, Line, held, run

PAID = draft("paid", Line("cash", 50), Line("owed", -50))
BACK = draft("back", Line("cash", -20), Line("owed", 20))


def _balance(connection: psycopg.Connection[Any], account_id: str) -> tuple[Any, ...] | None:
    query = """
        SELECT posted, pending_debits, pending_credits, version, recorded_at FROM balances
        WHERE merchant_id = %s AND account_id = %s
    """
    row: tuple[Any, ...] | None = connection.execute(query, (MERCHANT, account_id)).fetchone()
    return row


def test_what_adds_up_moves_the_balances(application: psycopg.Connection[Any]) -> None:
    run(application, booked(PAID))
    assert _balance(application, "cash") == (150, 10, 0, 3, LATER)
    assert _balance(application, "owed") == (-150, 0, 10, 3, LATER)


def test_two_entries_of_one_account_in_one_statement_are_both_counted(
    application: psycopg.Connection[Any],
) -> None:
    run(application, booked(PAID, BACK))
    assert _balance(application, "cash") == (130, 10, 0, 4, LATER)
    assert _balance(application, "owed") == (-130, 0, 10, 4, LATER)


def test_a_hold_moves_the_sums_of_its_own_side(application: psycopg.Connection[Any]) -> None:
    run(application, booked(draft("hold 2", held("owed", 7), held("cash", -7), status="PENDING")))
    assert _balance(application, "cash") == (100, 10, 7, 3, LATER)
    assert _balance(application, "owed") == (-100, 7, 10, 3, LATER)
