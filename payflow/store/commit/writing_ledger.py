"""Writes accounts, transactions and entries that a batch booked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from payflow.domain.folding.working_set import Changes
from payflow.domain.ids import bucket_of
from payflow.domain.ledger.transaction import BookedTransaction, Terms
from payflow.store import rows
from payflow.store.database.statement import Statement, columns, insert, insert_columns

ACCOUNTS = """
    INSERT INTO accounts (merchant_id, id, type, currency, allow_negative, created_at)
    SELECT merchant_id, id, type, currency, allow_negative, created_at
    FROM json_populate_recordset(NULL::accounts, %s)
"""

TRANSACTIONS = """
    INSERT INTO transactions (
        merchant_id, id, bucket, status, entry_count, reference, effective_at, expires_at,
        resolves_transaction_id, reverses_transaction_id, recorded_at)
    SELECT *
    FROM unnest(%b::text[], %b::text[], %b::smallint[], %b::text[], %b::smallint[], %b::text[],
                %b::timestamptz[], %b::timestamptz[], %b::text[], %b::text[], %b::timestamptz[])
"""

# In one statement for the whole batch: the trigger behind it checks each account's history at once.
ENTRIES = """
    INSERT INTO entries (
        merchant_id, transaction_id, position, recorded_at, account_id, layer, amount, currency, releases,
        account_version, posted_after, pending_debits_after, pending_credits_after)
    SELECT *
    FROM unnest(%b::text[], %b::text[], %b::smallint[], %b::timestamptz[], %b::text[], %b::text[],
                %b::bigint[], %b::text[], %b::boolean[], %b::bigint[], %b::bigint[], %b::bigint[],
                %b::bigint[])
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
        rows.row_of(account, merchant_id=merchant_id, created_at=at)
        for merchant_id, account, at in changes.opened_accounts
    ]
    yield from insert(ACCOUNTS, opened)
    yield from insert_columns(TRANSACTIONS, [_transaction_row(*one) for one in changes.transactions])
    yield from insert_columns(ENTRIES, [row for one in changes.transactions for row in _entry_rows(*one)])
    resolved = [
        (merchant_id, booked.resolves_transaction_id)
        for merchant_id, booked, _ in changes.transactions
        if booked.resolves_transaction_id
    ]
    if resolved:
        yield Statement(RESOLVED_HOLDS, columns(resolved), len(resolved))


def _transaction_row(merchant_id: str, booked: BookedTransaction, terms: Terms) -> tuple[Any, ...]:
    return (
        merchant_id,
        booked.id,
        bucket_of(merchant_id),
        booked.status.value,
        len(booked.entries),
        terms.reference or None,
        terms.effective_at,
        terms.expires_at,
        booked.resolves_transaction_id or None,
        booked.reverses_transaction_id or None,
        booked.recorded_at,
    )


def _entry_rows(merchant_id: str, booked: BookedTransaction, terms: Terms) -> Iterable[tuple[Any, ...]]:
    for position, entry in enumerate(booked.entries, 1):
        yield (
            merchant_id,
            booked.id,
            position,
            booked.recorded_at,
            entry.account_id,
            entry.layer.value,
            entry.amount,
            entry.currency,
            entry.releases,
            entry.account_version,
            entry.posted_after,
            entry.pending_debits_after,
            entry.pending_credits_after,
        )
