"""Reads in between: of now, and of recorded instants."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from payflow.v1 import ledger_pb2 as pb
from tests.torture.book import Book
from tests.torture.calling import Calling
from tests.torture.known import Known
from tests.torture.timestamps import timestamp

BATCH_ACCOUNTS_MAX = 10
PAGE_MAX = 20


@dataclass(slots=True)
class Reads:
    """Reads one book; what is read is recorded, and checked at the end."""

    book: Book
    known: Known
    calling: Calling
    decisions: random.Random

    def one(self) -> None:
        """One read of any kind."""
        reads: list[Callable[[], None]] = [
            self.balance,
            self.balances,
            self._entries,
            self._transaction,
            self.trial_balance,
        ]
        [read] = self.decisions.choices(reads, [6, 4, 4, 4, 1])
        read()

    def balance(self) -> None:
        """One account's balance, every other time as of an instant."""
        account_id = self._account_id()
        request = pb.GetBalanceRequest(account_id=account_id, merchant_id=self.book.merchant_id)
        self._ask("GetBalance", self._as_of_sometimes(request))

    def balances(self) -> None:
        """Some accounts' balances, every other time as of an instant."""
        ids = [account.id for account in self.decisions.sample(self.book.all_accounts(), BATCH_ACCOUNTS_MAX)]
        request = pb.BatchGetBalancesRequest(account_ids=ids, merchant_id=self.book.merchant_id)
        self._ask("BatchGetBalances", self._as_of_sometimes(request))

    def balances_as_of(self, instant_us: int) -> int:
        """All accounts' balances as of an instant; how many they are."""
        ids = [account.id for account in self.book.all_accounts()]
        self._ask(
            "BatchGetBalances",
            pb.BatchGetBalancesRequest(
                account_ids=ids, merchant_id=self.book.merchant_id, as_of=timestamp(instant_us)
            ),
        )
        return len(ids)

    def trial_balance(self) -> None:
        """The whole book."""
        self._ask("GetTrialBalance", pb.GetTrialBalanceRequest(merchant_id=self.book.merchant_id))

    def _entries(self) -> None:
        self._ask(
            "ListEntries",
            pb.ListEntriesRequest(
                account_id=self._account_id(),
                merchant_id=self.book.merchant_id,
                page_size=self.decisions.randint(1, PAGE_MAX),
                order=pb.ENTRY_ORDER_NEWEST_FIRST,
            ),
        )

    def _transaction(self) -> None:
        source = self.known.holds if self.decisions.random() < 0.7 else self.known.posted
        transaction_id = source.one(self.decisions)
        if transaction_id is not None:
            request = pb.GetTransactionRequest(id=transaction_id, merchant_id=self.book.merchant_id)
            self._ask("GetTransaction", request)

    def _account_id(self) -> str:
        return self.book.pick(self.decisions, self.decisions.choice(list(self.book.accounts)), 2)[0].id

    def _as_of_sometimes(self, request: Any) -> Any:
        instant_us = self.known.instants_us.one(self.decisions)
        if instant_us is not None and self.decisions.random() < 0.5:
            request.as_of.CopyFrom(timestamp(instant_us))
        return request

    def _ask(self, rpc: str, request: Any) -> None:
        self.calling.answer(rpc, request, "", self.decisions)
