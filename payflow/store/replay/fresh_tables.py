"""Fresh copies of the projections and of the ledger, in this session alone, beside what is stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from payflow.domain.ledger.chart import SYSTEM_PREFIX, system_account
from payflow.domain.stored_event import StoredEvent
from payflow.store import rows
from payflow.store.database.columns import columns_of

KEYS = {
    "merchants": ("merchant_id",),
    "psp_accounts": ("merchant_id", "id"),
    "payment_intents": ("merchant_id", "id"),
    "refunds": ("merchant_id", "id"),
    "psp_attempts": ("merchant_id", "payment_intent_id", "id"),
    "routing_rules": ("merchant_id", "version"),
    "routing_experiments": ("merchant_id", "id"),
    "webhook_endpoints": ("merchant_id", "id"),
    "transactions": ("merchant_id", "id"),
    "entries": ("merchant_id", "account_id", "account_version"),
    "accounts": ("merchant_id", "id"),
    "balances": ("merchant_id", "account_id"),
    "analytics_payments": ("merchant_id", "payment_intent_id"),
    "analytics_daily_totals": ("merchant_id", "day", "currency", "psp_account_id"),
}

# Named so that nothing stored can be meant where it is forgotten.
FRESH = "CREATE TEMPORARY TABLE fresh_{table} (LIKE {table})"
INSERT = "INSERT INTO fresh_{table} SELECT * FROM json_populate_recordset(NULL::{table}, %s)"

# Events and what is stored are read as of one instant; only temporary tables are written.
BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

COUNT = "SELECT count(*) AS events FROM events WHERE occurred_at <= %s"

_EVENTS = f"SELECT {columns_of(StoredEvent, 'event')} FROM events AS event"
_BY_AGGREGATE = "ORDER BY event.merchant_id, event.aggregate_id, event.aggregate_version"

EVENTS = f"{_EVENTS} WHERE occurred_at <= %s {_BY_AGGREGATE}"

TAKEN = f"""
    {_EVENTS}
    JOIN inbox USING (merchant_id, aggregate_id)
    WHERE occurred_at <= %s AND consumer = %s AND event.aggregate_version <= inbox.aggregate_version
    {_BY_AGGREGATE}
"""

# The system's accounts are opened by their first entry.
SYSTEM_ACCOUNTS = """
    SELECT merchant_id, account_id, min(recorded_at) AS opened_at
    FROM fresh_entries
    WHERE starts_with(account_id, %s)
    GROUP BY merchant_id, account_id
"""

# Added up from the amounts, not copied from the sums that entries state.
BALANCES = """
    INSERT INTO fresh_balances (
        merchant_id, account_id, currency, debit_normal, allow_negative, posted, pending_debits,
        pending_credits, version, recorded_at)
    SELECT account.merchant_id, account.id, account.currency, account.type IN ('ASSET', 'EXPENSE'),
           account.allow_negative,
           coalesce(sum(entry.amount) FILTER (WHERE entry.layer = 'POSTED'), 0),
           coalesce(sum(entry.amount) FILTER (
               WHERE entry.layer = 'PENDING' AND (entry.amount > 0) <> entry.releases), 0),
           coalesce(sum(-entry.amount) FILTER (
               WHERE entry.layer = 'PENDING' AND (entry.amount > 0) = entry.releases), 0),
           count(entry.amount),
           max(entry.recorded_at)
    FROM fresh_accounts AS account
    LEFT JOIN fresh_entries AS entry
        ON entry.merchant_id = account.merchant_id AND entry.account_id = account.id
    GROUP BY account.merchant_id, account.id, account.currency, account.type, account.allow_negative
"""

# Byte by byte: *<> compares what is stored of two rows, where = may find different bytes equal.
DIFFERENCES = """
    SELECT to_jsonb(stored) AS stored, to_jsonb(fresh) AS fresh
    FROM {table} AS stored
    FULL JOIN fresh_{table} AS fresh USING ({key})
    WHERE stored.merchant_id IS NULL OR fresh.merchant_id IS NULL OR stored.* *<> fresh.*
    ORDER BY {key}
    LIMIT %s
"""

BOOKS = """
    SELECT merchant_id, account_id, currency, posted, pending_debits, pending_credits
    FROM fresh_balances
    WHERE posted <> 0 OR pending_debits <> 0 OR pending_credits <> 0
    ORDER BY merchant_id, account_id
"""

CHUNK_ROWS = 1_000
FETCHED_EVENTS = 2_000

Rows = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that is not what the events make of it; None where it is missing."""

    table: str
    stored: Rows | None
    fresh: Rows | None

    @property
    def key(self) -> str:
        """Names the row."""
        row = self.stored or self.fresh or {}
        return " ".join(str(row[column]) for column in KEYS[self.table])

    @property
    def columns(self) -> list[tuple[str, Any, Any]]:
        """What differs in a row that both have: column, stored, rebuilt."""
        if self.stored is None or self.fresh is None:
            return []
        pairs = ((name, value, self.fresh.get(name)) for name, value in self.stored.items())
        return [(name, value, fresh) for name, value, fresh in pairs if value != fresh]


class FreshTables:
    """One transaction's view of the events, and empty tables to rebuild into. Raises psycopg.Error."""

    def __init__(self, conninfo: str, until: datetime | None = None) -> None:
        """``until`` leaves out the events that happened later."""
        self._until = until or datetime.max
        self._connection = psycopg.connect(conninfo, autocommit=True, row_factory=dict_row)
        self._connection.execute("SET TimeZone TO 'UTC'")
        for table in KEYS:
            self._connection.execute(FRESH.format(table=table).encode())
        self._connection.execute(BEGIN)

    def close(self) -> None:
        """Forgets everything that was rebuilt."""
        self._connection.close()

    def count(self) -> int:
        """How many events there are."""
        row = self._connection.execute(COUNT, [self._until]).fetchone()
        return int(row["events"]) if row else 0

    def events(self) -> Iterator[StoredEvent]:
        """All of them, aggregate by aggregate."""
        return self._stream(EVENTS, [self._until])

    def events_taken_by(self, consumer: str) -> Iterator[StoredEvent]:
        """Those that have taken effect in a consumer, aggregate by aggregate."""
        return self._stream(TAKEN, [self._until, consumer])

    def fill(self, rebuilt: Iterable[tuple[str, Rows]]) -> None:
        """Writes rows into the fresh tables, and adds up the balances."""
        waiting: defaultdict[str, list[Rows]] = defaultdict(list)
        for table, row in rebuilt:
            waiting[table].append(row)
            if len(waiting[table]) >= CHUNK_ROWS:
                self._insert(table, waiting.pop(table))
        for table, remaining in waiting.items():
            self._insert(table, remaining)
        self._insert("accounts", list(self._system_accounts()))
        self._connection.execute(BALANCES)

    def differences(self, table: str, limit: int) -> list[Difference]:
        """The first rows of a table that are not as rebuilt, by their keys."""
        query = DIFFERENCES.format(table=table, key=", ".join(KEYS[table]))
        found = self._connection.execute(query.encode(), [limit]).fetchall()
        return [Difference(table, row["stored"], row["fresh"]) for row in found]

    def books(self) -> list[Rows]:
        """The rebuilt balances that are not zero."""
        return self._connection.execute(BOOKS).fetchall()

    def _stream(self, query: str, parameters: list[Any]) -> Iterator[StoredEvent]:
        with self._connection.cursor("events") as cursor:
            cursor.itersize = FETCHED_EVENTS
            for row in cursor.execute(query.encode(), parameters):
                yield StoredEvent(**row)

    def _system_accounts(self) -> Iterator[Rows]:
        for row in self._connection.execute(SYSTEM_ACCOUNTS, [SYSTEM_PREFIX]).fetchall():
            account = system_account(row["account_id"])
            yield rows.row_of(account, merchant_id=row["merchant_id"], created_at=row["opened_at"])

    def _insert(self, table: str, content: list[Rows]) -> None:
        self._connection.execute(INSERT.format(table=table).encode(), [rows.to_json(content)])
