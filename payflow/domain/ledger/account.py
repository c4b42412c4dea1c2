"""Accounts and what they hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AccountType(StrEnum):
    """The five kinds of accounts; ``debit_normal`` ones grow by debits."""

    ASSET = "ASSET"
    LIABILITY = "LIABILITY"
    EQUITY = "EQUITY"
    REVENUE = "REVENUE"
    EXPENSE = "EXPENSE"

    debit_normal: bool

    def __init__(self, name: str) -> None:
        # An attribute, because every entry that is booked asks for it.
        self.debit_normal = name in ("ASSET", "EXPENSE")


@dataclass(frozen=True, slots=True)
class Account:
    """A place in one merchant's book where one currency is kept."""

    id: str
    type: AccountType
    currency: str
    allow_negative: bool = False


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account holds, in minor units; ``recorded_at`` is its last entry's time."""

    posted: int = 0
    pending_debits: int = 0
    pending_credits: int = 0
    version: int = 0
    recorded_at: datetime | None = None

    def available(self, account_type: AccountType) -> int:
        """Posted less pending outflows, in the account's normal direction."""
        if account_type.debit_normal:
            return self.posted - self.pending_credits
        return -self.posted - self.pending_debits
