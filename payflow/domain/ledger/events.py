"""What can happen to a caller's own accounts and transactions, named as in events.proto."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from payflow.domain.ledger.account import AccountType
from payflow.domain.ledger.transaction import BookedTransaction


@dataclass(frozen=True, slots=True)
class AccountOpened:
    """A caller opened an account."""

    account_id: str
    type: AccountType
    currency: str
    allow_negative: bool
    text_sha256: bytes


@dataclass(frozen=True, slots=True)
class TransactionPosted:
    """A transaction was posted."""

    transaction: BookedTransaction
    reference: str
    effective_at: datetime | None
    text_sha256: bytes


@dataclass(frozen=True, slots=True)
class TransactionHeld:
    """A hold was placed."""

    transaction: BookedTransaction
    reference: str
    effective_at: datetime | None
    text_sha256: bytes
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class TransactionResolved:
    """A hold was posted, voided or, where ``expired``, lapsed."""

    resolved_by_transaction_id: str
    expired: bool


LedgerEvent = AccountOpened | TransactionPosted | TransactionHeld | TransactionResolved


def account_aggregate_id(account_id: str) -> str:
    """The id of an account's event stream, which also owns its texts."""
    return f"account:{account_id}"
