"""Reads ledger transactions with their entries: one, and lists, newest first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from psycopg.types.json import Jsonb

from payflow.domain.ledger.statements import TransactionFilter
from payflow.domain.ledger.transaction import TransactionStatus
from payflow.domain.resources import TransactionView
from payflow.store import ledger_rows, rows
from payflow.store.database.read_pool import ReadPool
from payflow.store.ledger_rows import ENTRY_COLUMNS, LATER_TRANSACTIONS, TRANSACTION_COLUMNS

ALL_TRANSACTIONS = f"""
    SELECT {TRANSACTION_COLUMNS}, texts.body, texts.metadata
    FROM transactions AS transaction
    {LATER_TRANSACTIONS}
    LEFT JOIN texts ON texts.merchant_id = transaction.merchant_id AND texts.owner_id = transaction.id
    WHERE transaction.merchant_id = %s
"""
TRANSACTION = f"{ALL_TRANSACTIONS} AND transaction.id = %s"
# Ids are time-ordered, so the newest page is a walk back along the primary key.
TRANSACTIONS = f"{ALL_TRANSACTIONS} AND transaction.id < %s"
NEWEST_FIRST = " ORDER BY transaction.id DESC LIMIT %s"

WITH_REFERENCE = " AND transaction.reference = %s"
# As texts of their own: the index of open holds is for their status alone. Resolved ones are found in the
# index of what resolved them.
IN_STATUS = {
    TransactionStatus.POSTED: " AND transaction.status = 'POSTED'",
    TransactionStatus.PENDING: " AND transaction.status = 'PENDING'",
    TransactionStatus.RESOLVED: """
      AND transaction.status = 'RESOLVED' AND resolver.resolves_transaction_id < %s
    """,
}
# Planned anew each time, see accounts_reader.
WITH_METADATA = """
      AND texts.owner_id >= 'txn_' AND texts.owner_id < 'txn`' AND texts.owner_id < %s
      AND texts.metadata @> %s
"""

ENTRIES = f"""
    SELECT {ENTRY_COLUMNS}
    FROM entries AS entry
    JOIN accounts AS account ON account.merchant_id = entry.merchant_id AND account.id = entry.account_id
    WHERE entry.merchant_id = %s AND entry.transaction_id = ANY(%s)
    ORDER BY entry.transaction_id, entry.position
"""

# Behind every id: ids are lower-case ASCII.
NEWEST = "\x7f"


class TransactionsReader:
    """What callers see of transactions. Deadlines are in seconds of time.monotonic."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    def transaction(self, merchant_id: str, transaction_id: str, deadline: float) -> TransactionView | None:
        """One transaction."""
        found, entries = self._pool.snapshot(
            [
                (TRANSACTION, (merchant_id, transaction_id)),
                (ENTRIES, (merchant_id, [transaction_id])),
            ],
            deadline,
        )
        return _view(found[0], entries) if found else None

    def transactions(
        self, merchant_id: str, wanted: TransactionFilter, before: str, limit: int, deadline: float
    ) -> list[TransactionView]:
        """Transactions that match, older than the one with id ``before`` (empty: from the newest)."""
        query, parameters = _page(merchant_id, wanted, before or NEWEST)
        with self._pool.instant(deadline) as ask:
            found = ask(query + NEWEST_FIRST, [*parameters, limit], plan_anew=bool(wanted.metadata))
            entries = ask(ENTRIES, (merchant_id, [row["id"] for row in found]))
        by_transaction = ledger_rows.by_transaction(entries)
        return [_view(row, by_transaction[merchant_id, row["id"]]) for row in found]


def _page(merchant_id: str, wanted: TransactionFilter, before: str) -> tuple[str, list[Any]]:
    query = TRANSACTIONS
    parameters: list[Any] = [merchant_id, before]
    if wanted.reference:
        query += WITH_REFERENCE
        parameters.append(wanted.reference)
    if wanted.status:
        query += IN_STATUS[wanted.status]
        parameters += [before] * (wanted.status is TransactionStatus.RESOLVED)
    if wanted.metadata:
        query += WITH_METADATA
        parameters += [before, Jsonb(wanted.metadata)]
    return query, parameters


def _view(row: rows.Row, entries: Iterable[rows.Row]) -> TransactionView:
    recorded = ledger_rows.recorded_transaction(row, entries)
    return TransactionView(row["merchant_id"], recorded, rows.texts_of(row))
