"""Rows of the ledger as plain SQL writes them, for tests that bypass PayFlow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

MERCHANT = "books"
FIRST = datetime(2030, 1, 1, tzinfo=UTC)
LATER = datetime(2030, 1, 2, tzinfo=UTC)
EARLIER = datetime(2029, 1, 1, tzinfo=UTC)

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement and its parameters."""

    sql: str
    parameters: tuple[Any, ...] = ()


def insert(table: str, *rows: dict[str, Any]) -> Statement:
    """One INSERT of all the rows, which have the same columns."""
    columns = list(rows[0])
    placeholders = ", ".join(f"({', '.join(['%s'] * len(columns))})" for _ in rows)
    values = tuple(row[column] for row in rows for column in columns)
    return Statement(f"INSERT INTO {table} ({', '.join(columns)}) VALUES {placeholders}", values)


def account(
    identifier: str, kind: str, currency: str = "USD", *, allow_negative: bool = True
) -> dict[str, Any]:
    """A row of accounts."""
    return {
        "merchant_id": MERCHANT,
        "id": identifier,
        "type": kind,
        "currency": currency,
        "allow_negative": allow_negative,
        "created_at": FIRST,
    }


def transaction(identifier: str, **columns: Any) -> dict[str, Any]:
    """A row of transactions: two entries, posted LATER, unless ``columns`` say otherwise."""
    usual = {"merchant_id": MERCHANT, "id": identifier, "status": "POSTED", "entry_count": 2}
    return usual | {"recorded_at": LATER} | columns


def entry(
    account_id: str, version: int, transaction_id: str, position: int, amount: int, **columns: Any
) -> dict[str, Any]:
    """A row of entries: posted dollars, LATER, unless ``columns`` say otherwise."""
    usual = {
        "merchant_id": MERCHANT,
        "account_id": account_id,
        "account_version": version,
        "transaction_id": transaction_id,
        "position": position,
        "layer": "POSTED",
        "amount": amount,
        "currency": "USD",
        "releases": False,
        "posted_after": 0,
        "pending_debits_after": 0,
        "pending_credits_after": 0,
        "recorded_at": LATER,
    }
    return usual | columns


def open_books(connection: psycopg.Connection[Any]) -> None:
    """Accounts cash, till (never negative), owed and euros; cash and owed carry a posted
    transaction of 100 (``posted``) and a hold of 10 (``hold``)."""
    held = {"layer": "PENDING", "recorded_at": FIRST}
    statements = (
        insert(
            "accounts",
            account("cash", "ASSET"),
            account("till", "ASSET", allow_negative=False),
            account("owed", "LIABILITY"),
            account("euros", "ASSET", "EUR"),
        ),
        insert(
            "transactions",
            transaction("posted", recorded_at=FIRST),
            transaction("hold", status="PENDING", recorded_at=FIRST),
        ),
        insert(
            "entries",
            entry("cash", 1, "posted", 1, 100, posted_after=100, recorded_at=FIRST),
            entry("owed", 1, "posted", 2, -100, posted_after=-100, recorded_at=FIRST),
            entry("cash", 2, "hold", 1, 10, posted_after=100, pending_debits_after=10, **held),
            entry("owed", 2, "hold", 2, -10, posted_after=-100, pending_credits_after=10, **held),
        ),
    )
    run(connection, statements)


def run(connection: psycopg.Connection[Any], statements: tuple[Statement, ...]) -> None:
    """Executes statements one after another."""
    for statement in statements:
        connection.execute(statement.sql.encode(), statement.parameters)


def everything(connection: psycopg.Connection[Any]) -> dict[str, Rows]:
    """Every row of the ledger and of the events."""
    tables = ("accounts", "balances", "transactions", "entries", "events")
    return {
        table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3".encode()).fetchall()
        for table in tables
    }
