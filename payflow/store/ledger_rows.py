"""Rows of the ledger as domain values, for the writer and for readers."""

from __future__ import annotations

from collections.abc import Iterable

from payflow.domain.ledger.account import Account, AccountType, Balance
from payflow.domain.ledger.transaction import (
    BookedEntry,
    BookedTransaction,
    Layer,
    RecordedTransaction,
    Terms,
    TransactionStatus,
)
from payflow.store.rows import Row

# Of `transaction`, joined to the later ones that resolved or reversed it.
TRANSACTION_COLUMNS = """
           transaction.merchant_id, transaction.id, transaction.status, transaction.reference,
           transaction.effective_at, transaction.expires_at, transaction.resolves_transaction_id,
           transaction.reverses_transaction_id, transaction.recorded_at, resolver.id AS resolved_by,
           reverser.id AS reversed_by
"""
LATER_TRANSACTIONS = """
    LEFT JOIN transactions AS resolver ON resolver.merchant_id = transaction.merchant_id
        AND resolver.resolves_transaction_id = transaction.id
    LEFT JOIN transactions AS reverser ON reverser.merchant_id = transaction.merchant_id
        AND reverser.reverses_transaction_id = transaction.id
"""
# Of `entry`, joined to its `account`.
ENTRY_COLUMNS = """
           entry.merchant_id, entry.transaction_id, entry.position, entry.account_id, entry.layer,
           entry.amount, entry.currency, entry.releases, entry.account_version, entry.posted_after,
           entry.pending_debits_after, entry.pending_credits_after, entry.recorded_at, account.type
"""
BALANCE_COLUMNS = """
           balance.posted, balance.pending_debits, balance.pending_credits, balance.version,
           balance.recorded_at
"""


def account(row: Row) -> Account:
    """A row of accounts."""
    return Account(row["id"], AccountType(row["type"]), row["currency"], row["allow_negative"])


def balance(row: Row) -> Balance:
    """A row of balances, or of an entry's sums under the same names."""
    return Balance(
        row["posted"], row["pending_debits"], row["pending_credits"], row["version"], row["recorded_at"]
    )


def booked_entry(row: Row) -> BookedEntry:
    """A row of entries, with its account's type."""
    return BookedEntry(
        row["account_id"],
        Layer(row["layer"]),
        row["amount"],
        row["currency"],
        row["releases"],
        row["account_version"],
        row["posted_after"],
        row["pending_debits_after"],
        row["pending_credits_after"],
        AccountType(row["type"]).debit_normal,
    )


def recorded_transaction(row: Row, entries: Iterable[Row]) -> RecordedTransaction:
    """A row of transactions with its entries in order."""
    booked = BookedTransaction(
        row["id"],
        TransactionStatus(row["status"]),
        tuple(booked_entry(entry) for entry in entries),
        row["resolves_transaction_id"] or "",
        row["reverses_transaction_id"] or "",
        row["recorded_at"],
    )
    terms = Terms(row["reference"] or "", row["effective_at"], row["expires_at"])
    return RecordedTransaction(booked, terms, row["resolved_by"] or "", row["reversed_by"] or "")


def by_transaction(entries: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    """Rows of entries by merchant and transaction, in their order."""
    found: dict[tuple[str, str], list[Row]] = {}
    for entry in entries:
        found.setdefault((entry["merchant_id"], entry["transaction_id"]), []).append(entry)
    return found
