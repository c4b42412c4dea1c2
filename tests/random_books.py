"""Random ledger commands through the commit pipeline, of every kind, from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from payflow.domain import ids
from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.folding.submission import Applied, Command, Refused, Result, Submission
from payflow.domain.ledger.account import Account, AccountType
from payflow.domain.ledger.commands import (
    OpenAccount,
    PostHold,
    PostTransaction,
    PostTransactions,
    ReverseTransaction,
    VoidHold,
)
from payflow.domain.ledger.transaction import DraftTransaction, Layer, Posting, Terms, TransactionStatus
from payflow.domain.resources import BulkResult, TransactionView
from payflow.domain.texts import Texts
from payflow.store.commit.committer import Committer
from tests.submissions import Till, commit
from tests.waiting import WAIT_S

CURRENCIES = ("USD", "JPY")
AT_ONCE = 6
BULK = 4
HOLD_LIFE = timedelta(minutes=10)


@dataclass(slots=True)
class RandomBooks:
    """One merchant's book; each ``step`` sends several commands at once, and moves the clock."""

    pipeline: Committer
    till: Till
    choices: random.Random
    accounts: list[Account] = field(default_factory=list)
    transactions: list[str] = field(default_factory=list)
    holds: list[str] = field(default_factory=list)
    references: int = 0
    refusals: list[Reason] = field(default_factory=list)

    def set_up(self) -> None:
        """A merchant with an account of every type in every currency; every second one may go negative."""
        commit(self.pipeline, self.till.merchant())
        for number, currency in enumerate(CURRENCIES):
            for account_type in AccountType:
                account = Account(f"{account_type}-{currency}".lower(), account_type, currency, number == 0)
                self._open(account)
                self._open(Account(f"{account.id}-open", account_type, currency, True))

    def step(self) -> None:
        """Several commands, most of which will be applied."""
        self.till.now += timedelta(milliseconds=self.choices.randrange(40_000))
        moves: tuple[Callable[[str], Command], ...] = (
            *(self._post,) * 4,
            *(self._hold,) * 2,
            self._bulk,
            *(self._post_hold,) * 2,
            self._void,
            self._reverse,
        )
        sent = [self._submission(self.choices.choice(moves)) for _ in range(self.choices.randint(1, AT_ONCE))]
        pending = [self.pipeline.submit(one, None) for one in sent]
        for one in pending:
            self._note(one.result.result(WAIT_S))

    def _submission(self, move: Callable[[str], Command]) -> Submission:
        command_id = self.till.new_command_id()
        return self.till.submission(move(command_id), command_id=command_id)

    def _open(self, account: Account) -> None:
        texts = self.choices.choice((Texts(), Texts("named", {"kind": account.type})))
        commit(self.pipeline, self.till.submission(OpenAccount(self.till.merchant_id, account, texts)))
        self.accounts.append(account)

    def _id(self, command_id: str, ordinal: int = 0) -> str:
        return ids.derive_id("txn", command_id, ids.slot_candidates(self.till.merchant_id)[0], ordinal)

    def _post(self, command_id: str, ordinal: int = 0, layer: Layer = Layer.POSTED) -> PostTransaction:
        """Between a few accounts of one currency."""
        currency = self.choices.choice(CURRENCIES)
        candidates = [one for one in self.accounts if one.currency == currency]
        lines = [self.choices.choice(candidates) for _ in range(self.choices.randint(1, 4))]
        amounts = [self.choices.randint(1, 500) * self.choices.choice((1, -1)) for _ in lines]
        amounts.append(-sum(amounts) or 1)
        lines.append(self.choices.choice(candidates))
        postings = tuple(
            Posting(account.id, amount, currency, layer)
            for account, amount in zip(lines, amounts, strict=True)
        )
        expires_at = (
            self.choices.choice((None, self.till.now + HOLD_LIFE)) if layer is Layer.PENDING else None
        )
        return PostTransaction(
            self.till.merchant_id,
            DraftTransaction(self._id(command_id, ordinal), postings),
            Terms(self._reference(), self.choices.choice((None, self.till.now)), expires_at),
            self.choices.choice((Texts(), Texts("a note"), Texts("", {"order": "7"}))),
        )

    def _hold(self, command_id: str) -> PostTransaction:
        return self._post(command_id, layer=Layer.PENDING)

    def _bulk(self, command_id: str) -> PostTransactions:
        layers = (Layer.POSTED, Layer.POSTED, Layer.PENDING)
        items = (self._post(command_id, number, self.choices.choice(layers)) for number in range(BULK))
        return PostTransactions(self.till.merchant_id, tuple(items))

    def _post_hold(self, command_id: str) -> PostHold:
        amount = self.choices.choice((None, None, self.choices.randint(1, 500)))
        return PostHold(self.till.merchant_id, self._some(self.holds), self._id(command_id), amount)

    def _void(self, command_id: str) -> VoidHold:
        expired = self.choices.random() < 0.5
        hold_id, new_id = self._some(self.holds), self._id(command_id)
        return VoidHold(self.till.merchant_id, hold_id, new_id, Texts("voided"), expired)

    def _reverse(self, command_id: str) -> ReverseTransaction:
        reversed_id, new_id = self._some(self.transactions), self._id(command_id)
        return ReverseTransaction(self.till.merchant_id, reversed_id, new_id, self._reference())

    def _reference(self) -> str:
        """Mostly none; now and then the last one again."""
        self.references += self.choices.random() < 0.3
        return self.choices.choice(("", "", f"order-{self.references}"))

    def _some(self, identifiers: list[str]) -> str:
        return self.choices.choice(identifiers[-20:]) if identifiers else "txn_nobodys"

    def _note(self, result: Result) -> None:
        if isinstance(result, Refused):
            self.refusals.append(result.error.reason)
            return
        assert isinstance(result, Applied)
        found = result.resource
        for one in found.items if isinstance(found, BulkResult) else (found,):
            if isinstance(one, PayFlowError):
                self.refusals.append(one.reason)
            elif isinstance(one, TransactionView):
                booked = one.recorded.booked
                (self.holds if booked.status is TransactionStatus.PENDING else self.transactions).append(
                    booked.id
                )
