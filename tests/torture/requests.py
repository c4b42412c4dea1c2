"""Requests at random: what is posted and held, some of it wrong on purpose."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from payflow.v1 import ledger_pb2 as pb
from tests.torture.book import CURRENCIES, Book, BookAccount
from tests.torture.known import Known
from tests.torture.timestamps import timestamp

AMOUNT_MAX = 10_000
# More than any account comes to hold.
FORTUNE = 10**15
LEGS_MAX = 5
# Every posting carries a moment of its own, by which the database tells whose effect it holds.
MARKS_FROM_US = 1_000_000_000_000_000


def marks() -> Iterator[int]:
    """Moments in microseconds, each given once; ``next`` of it is safe in any thread."""
    return count(MARKS_FROM_US)


@dataclass(slots=True)
class Requests:
    """Makes requests for one book."""

    book: Book
    known: Known
    decisions: random.Random
    marks: Iterator[int]

    def posting(self) -> pb.PostTransactionRequest:
        """A transaction of 2 to 5 entries, or 10 in two currencies; one in eight is made to be refused."""
        request = self._transaction()
        chance = self.decisions.random()
        if chance < 0.1:
            request.reference = f"reference-{next(self.marks)}"
        elif chance < 0.15:
            self._expect_versions(request)
        if self.decisions.random() < 0.12:
            self._spoil(request)
        return request

    def hold(self) -> pb.PostTransactionRequest:
        """A hold, two entries as often as not, so that it can be posted in part."""
        legs = 2 if self.decisions.random() < 0.5 else self.decisions.randint(2, LEGS_MAX)
        return self._request(self._legs(self.decisions.choice(CURRENCIES), legs), pending=True)

    def bulk(self, size: int) -> pb.PostTransactionsRequest:
        """So many transactions and holds in one call."""
        transactions = [
            self.hold() if self.decisions.random() < 0.05 else self.posting() for _ in range(size)
        ]
        return pb.PostTransactionsRequest(transactions=transactions, merchant_id=self.book.merchant_id)

    def _transaction(self) -> pb.PostTransactionRequest:
        several = self.decisions.random() < 0.1
        currencies = self.decisions.sample(CURRENCIES, 2 if several else 1)
        entries = [
            entry
            for currency in currencies
            for entry in self._legs(currency, self.decisions.randint(2, LEGS_MAX))
        ]
        return self._request(entries)

    def _request(self, entries: list[pb.Entry], pending: bool = False) -> pb.PostTransactionRequest:
        return pb.PostTransactionRequest(
            merchant_id=self.book.merchant_id,
            entries=entries,
            pending=pending,
            effective_at=timestamp(next(self.marks)),
        )

    def _legs(self, currency: str, legs: int) -> list[pb.Entry]:
        """Entries of one currency that sum to zero."""
        accounts = self.book.pick(self.decisions, currency, legs)
        amounts = [self._amount(account) for account in accounts[1:]]
        balancing = -sum(amounts)
        if balancing == 0:
            amounts[0] *= 2
            balancing = -sum(amounts)
        return [
            pb.Entry(account_id=account.id, amount=amount, currency=currency)
            for account, amount in zip(accounts, [balancing, *amounts], strict=True)
        ]

    def _amount(self, account: BookAccount) -> int:
        """Bounded accounts are paid into more often than out of, or all they would do is refuse."""
        amount = self.decisions.randint(1, AMOUNT_MAX)
        outflow = self.decisions.random() < (0.5 if account.allow_negative else 0.3)
        return amount * account.outflow if outflow else -amount * account.outflow

    def _expect_versions(self, request: pb.PostTransactionRequest) -> None:
        """What was last heard of one account, often one that the transaction does not touch."""
        touched = [entry.account_id for entry in request.entries]
        others = [account.id for account in self.book.all_accounts()]
        account_id = self.decisions.choice(touched if self.decisions.random() < 0.7 else others)
        request.expected_versions[account_id] = self.known.versions.get(account_id, 0)

    def _spoil(self, request: pb.PostTransactionRequest) -> None:
        entry = self.decisions.choice(request.entries)
        match self.decisions.randrange(6):
            case 0:
                entry.amount += 1 if entry.amount != -1 else 2
            case 1:
                for one in request.entries:
                    one.currency = "CHF"
            case 2:
                entry.account_id = "unknown"
            case 3:
                entry.amount = 0
            case 4:
                request.reference = self.known.references.one(self.decisions) or ""
            case _:
                self._overdraw(request)

    def _overdraw(self, request: pb.PostTransactionRequest) -> None:
        account = self.book.bounded(self.decisions)
        amount = FORTUNE * account.outflow
        other = self.book.accounts[account.currency][0]
        del request.entries[:]
        request.entries.add(account_id=account.id, amount=amount, currency=account.currency)
        request.entries.add(account_id=other.id, amount=-amount, currency=account.currency)
