"""What callers get to see of a book, and what they may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.ledger.account import AccountType, Balance
from payflow.domain.ledger.booking import INT64_MAX
from payflow.domain.ledger.transaction import BookedEntry, TransactionStatus
from payflow.domain.resources import AccountView


@dataclass(frozen=True, slots=True)
class AccountFilter:
    """Accounts of one type, in one currency, with all of these keys and values; empty lets all through."""

    type: AccountType | None = None
    currency: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TransactionFilter:
    """Transactions with one reference, in one status, and with all of these keys and values."""

    reference: str = ""
    status: TransactionStatus | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Entries of an account, of a transaction, or of an account in a transaction."""

    account_id: str = ""
    transaction_id: str = ""


@dataclass(frozen=True, slots=True)
class RecordedEntry:
    """An entry with where it stands in its transaction, from 1, and when it was recorded."""

    booked: BookedEntry
    transaction_id: str
    position: int
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """A balance with the account it is of; ``as_of`` is the instant it speaks of."""

    account_id: str
    type: AccountType
    currency: str
    balance: Balance
    as_of: datetime | None


@dataclass(frozen=True, slots=True)
class CurrencyTotal:
    """Sums of the debit and credit balances of one currency, both as positive numbers."""

    currency: str
    debits: int
    credits: int


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """Balances of a book, and the totals over all of it, from one snapshot."""

    balances: list[AccountBalance]
    totals: list[CurrencyTotal]


@dataclass(frozen=True, slots=True)
class Period:
    """Recorded time from ``start``, itself included, to before ``end``; None is as far as entries go."""

    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Versions:
    """The entries of a period: those above version ``opening``, up to version ``closing``."""

    opening: int
    closing: int


@dataclass(frozen=True, slots=True)
class AccountStatement:
    """What an account held before and behind a period, and entries in between."""

    account: AccountView
    versions: Versions
    opening: AccountBalance
    entries: list[RecordedEntry]
    closing: AccountBalance


def total(currency: str, debits: int, credits: int) -> CurrencyTotal:
    """A currency's total. Raises LIMIT_REACHED where it is more than the contract's 64 bits can say."""
    if max(debits, credits) > INT64_MAX:
        raise PayFlowError(
            Reason.LIMIT_REACHED,
            f"the balances in {currency} add up to more than 64 bits",
            metadata={"currency": currency},
            subject=currency,
        )
    return CurrencyTotal(currency, debits, credits)
