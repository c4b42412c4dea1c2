"""Writes accounts, transactions and entries that a batch booked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from payflow.domain.folding.working_set import Changes
from payflow.domain.ledger.transaction import BookedTransaction
from payflow.store import rows
from payflow.store.statement import Statement, columns, insert

ACCOUNTS = """
    INSERT INTO accounts (merchant_id, id, name, type, currency, allow_negative, created_at)
    SELECT merchant_id, id, name, type, currency, allow_negative, created_at
    FROM json_populate_recordset(NULL::accounts, %s)
"""

TRANSACTIONS = """
    INSERT INTO transactions (merchant_id, id, status, entry_count, resolves_transaction_id,
                              reverses_transaction_id, recorded_at)
    SELECT merchant_id, id, status, entry_count, resolves_transaction_id, reverses_transaction_id, recorded_at
    FROM json_populate_recordset(NULL::transactions, %s)
"""

# In one statement for the whole batch: the trigger behind it checks each account's history at once.
ENTRIES = """
    INSERT INTO entries (merchant_id, account_id, account_version, transaction_id, position, layer, amount,
                         currency, releases, posted_after, pending_debits_after, pending_credits_after,
                         recorded_at)
    SELECT merchant_id, account_id, account_version, transaction_id, position, layer, amount,
           currency, releases, posted_after, pending_debits_after, pending_credits_after, recorded_at
    FROM json_populate_recordset(NULL::entries, %s)
"""

# Behind TRANSACTIONS, because a batch may resolve a hold that it placed itself.
RESOLVED_HOLDS = """
    UPDATE transactions AS hold SET status = 'RESOLVED'
    FROM unnest(%s::text[], %s::text[]) AS resolved (merchant_id, id)
    WHERE hold.merchant_id = resolved.merchant_id AND hold.id = resolved.id AND hold.status = 'PENDING'
"""


def ledger_statements(changes: Changes) -> Iterable[Statement]:
    """What was booked, accounts before transactions before entries."""
    opened = [
        rows.row_of(account, merchant_id=merchant_id, name="", created_at=at)
        for merchant_id, account, at in changes.opened_accounts
    ]
    yield from insert(ACCOUNTS, opened)
    yield from insert(TRANSACTIONS, [_transaction_row(*one) for one in changes.transactions])
    yield from insert(ENTRIES, [row for one in changes.transactions for row in _entry_rows(*one)])
    resolved = [
        (merchant_id, booked.resolves_transaction_id)
        for merchant_id, booked in changes.transactions
        if booked.resolves_transaction_id
    ]
    if resolved:
        yield Statement(RESOLVED_HOLDS, columns(resolved), len(resolved))


def _transaction_row(merchant_id: str, booked: BookedTransaction) -> dict[str, Any]:
    return {
        "merchant_id": merchant_id,
        "id": booked.id,
        "status": booked.status,
        "entry_count": len(booked.entries),
        "resolves_transaction_id": booked.resolves_transaction_id or None,
        "reverses_transaction_id": booked.reverses_transaction_id or None,
        "recorded_at": booked.recorded_at,
    }


def _entry_rows(merchant_id: str, booked: BookedTransaction) -> Iterable[dict[str, Any]]:
    for position, entry in enumerate(booked.entries, 1):
        yield rows.row_of(
            entry,
            merchant_id=merchant_id,
            transaction_id=booked.id,
            position=position,
            recorded_at=booked.recorded_at,
        )
