"""What callers get to see of a book."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from payflow.domain.ledger.account import AccountType, Balance


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
    """The balances of a book and its totals, from one snapshot."""

    balances: list[AccountBalance]
    totals: list[CurrencyTotal]
