"""Rows of the ledger as plain SQL writes them, for tests that bypass PayFlow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
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
    usual = {"merchant_id": MERCHANT, "id": identifier, "bucket": 0, "status": "POSTED", "entry_count": 2}
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


@dataclass(frozen=True, slots=True)
class Line:
    """What an entry says of itself: an amount on an account, posted unless it ``holds`` or ``releases``."""

    account_id: str
    amount: int
    holds: bool = False
    releases: bool = False


def held(account_id: str, amount: int) -> Line:
    """A line of a hold."""
    return Line(account_id, amount, holds=True)


def released(account_id: str, amount: int) -> Line:
    """A line that takes a hold's back; its amount is the hold's negated."""
    return Line(account_id, amount, releases=True)


@dataclass(frozen=True, slots=True)
class Sums:
    """Where an account stands."""

    version: int = 0
    posted: int = 0
    debits: int = 0
    credits: int = 0

    def behind(self, line: Line) -> Sums:
        """Where it stands behind a line."""
        after = replace(self, version=self.version + 1)
        if not (line.holds or line.releases):
            return replace(after, posted=self.posted + line.amount)
        if (line.amount > 0) is not line.releases:
            return replace(after, debits=self.debits + line.amount)
        return replace(after, credits=self.credits - line.amount)


@dataclass(slots=True)
class RunningSums:
    """Writes entries with the sums behind them, line by line."""

    accounts: dict[str, Sums] = field(default_factory=dict)

    def entries(
        self, transaction_id: str, lines: Iterable[Line], recorded_at: datetime
    ) -> list[dict[str, Any]]:
        """The rows of one transaction."""
        return [
            self._entry(transaction_id, position, line, recorded_at) for position, line in enumerate(lines, 1)
        ]

    def _entry(self, transaction_id: str, position: int, line: Line, recorded_at: datetime) -> dict[str, Any]:
        after = self.accounts.get(line.account_id, Sums()).behind(line)
        self.accounts[line.account_id] = after
        return entry(
            line.account_id,
            after.version,
            transaction_id,
            position,
            line.amount,
            layer="PENDING" if line.holds or line.releases else "POSTED",
            releases=line.releases,
            posted_after=after.posted,
            pending_debits_after=after.debits,
            pending_credits_after=after.credits,
            recorded_at=recorded_at,
        )


def running_sums() -> RunningSums:
    """Where the accounts of open_books stand."""
    cash, owed = Sums(2, 100, debits=10), Sums(2, -100, credits=10)
    return RunningSums({"cash": cash, "owed": owed})


def open_books(connection: psycopg.Connection[Any]) -> None:
    """Accounts cash, gold, silver, till (never negative), owed, debt, earned and euros; cash and owed carry a
    posted transaction of 100 (``posted``) and a hold of 10 (``hold``); see running_sums."""
    sums = RunningSums()
    statements = (
        insert(
            "accounts",
            account("cash", "ASSET"),
            account("gold", "ASSET"),
            account("silver", "ASSET"),
            account("till", "ASSET", allow_negative=False),
            account("owed", "LIABILITY"),
            account("debt", "LIABILITY"),
            account("earned", "REVENUE"),
            account("euros", "ASSET", "EUR"),
        ),
        insert(
            "transactions",
            transaction("posted", recorded_at=FIRST),
            transaction("hold", status="PENDING", recorded_at=FIRST),
        ),
        insert(
            "entries",
            *sums.entries("posted", [Line("cash", 100), Line("owed", -100)], FIRST),
            *sums.entries("hold", [held("cash", 10), held("owed", -10)], FIRST),
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
