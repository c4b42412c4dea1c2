"""The accounts of one merchant's book, and how load is spread over them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

from payflow.v1 import ledger_pb2 as pb

CURRENCIES = ("EUR", "JPY", "USD")
TYPES = (
    pb.ACCOUNT_TYPE_ASSET,
    pb.ACCOUNT_TYPE_LIABILITY,
    pb.ACCOUNT_TYPE_EQUITY,
    pb.ACCOUNT_TYPE_REVENUE,
    pb.ACCOUNT_TYPE_EXPENSE,
)
DEBIT_NORMAL = frozenset({pb.ACCOUNT_TYPE_ASSET, pb.ACCOUNT_TYPE_EXPENSE})
ACCOUNTS_PER_CURRENCY = 20
# Every fourth may not go below zero: one of each type, because there are five types.
BOUNDED_EVERY = 4


class Spread(StrEnum):
    """How transactions fall on the accounts of a book."""

    UNIFORM = "uniform"
    ZIPF = "zipf"
    SINGLE = "single"


@dataclass(frozen=True, slots=True)
class BookAccount:
    """An account that the torture opens; ``outflow`` is the sign of an amount that takes from it."""

    id: str
    currency: str
    type: pb.AccountType.ValueType
    allow_negative: bool

    @property
    def outflow(self) -> int:
        return -1 if self.type in DEBIT_NORMAL else 1


class Book:
    """One merchant's accounts. Account ids are the same in every book, as merchants may choose them."""

    def __init__(self, merchant_id: str, spread: Spread) -> None:
        self.merchant_id = merchant_id
        self._spread = spread
        self.accounts = {currency: _accounts(currency) for currency in CURRENCIES}

    def all_accounts(self) -> list[BookAccount]:
        """Every account, in every currency."""
        return [account for accounts in self.accounts.values() for account in accounts]

    def pick(self, decisions: random.Random, currency: str, count: int) -> list[BookAccount]:
        """So many accounts of a currency as the spread has it; one may come more than once."""
        accounts = self.accounts[currency]
        if self._spread is Spread.UNIFORM:
            return decisions.choices(accounts, k=count)
        if self._spread is Spread.ZIPF:
            weights = list(accumulate(1 / rank for rank in range(1, len(accounts) + 1)))
            return decisions.choices(accounts, cum_weights=weights, k=count)
        return [accounts[0], *decisions.choices(accounts[1:], k=count - 1)]

    def bounded(self, decisions: random.Random) -> BookAccount:
        """One that may not go below zero."""
        return decisions.choice([account for account in self.all_accounts() if not account.allow_negative])


def _accounts(currency: str) -> list[BookAccount]:
    return [
        BookAccount(
            f"{currency.lower()}-{number}",
            currency,
            TYPES[number % len(TYPES)],
            allow_negative=number % BOUNDED_EVERY != BOUNDED_EVERY - 1,
        )
        for number in range(ACCOUNTS_PER_CURRENCY)
    ]
