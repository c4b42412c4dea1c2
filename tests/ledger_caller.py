"""A caller who keeps books of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from payflow.v1 import ledger_pb2 as pb
from tests.payments import Caller

# An account, an amount in minor units, and a currency where it is not dollars.
Line = tuple[str, int] | tuple[str, int, str]

# The accounts of opened_books; the ones that may not go negative are till and wallet.
BOOKS = (
    ("cash", "ASSET", "USD", True),
    ("till", "ASSET", "USD", False),
    ("owed", "LIABILITY", "USD", True),
    ("wallet", "LIABILITY", "USD", False),
    ("sales", "REVENUE", "USD", True),
    ("euros", "ASSET", "EUR", True),
    ("euros_owed", "LIABILITY", "EUR", True),
)


class LedgerCaller(Caller):
    """Speaks for one merchant to LedgerService. Raises ApiError."""

    def account(
        self,
        account_id: str = "",
        kind: str = "ASSET",
        currency: str = "USD",
        negative: bool = True,
        **more: Any,
    ) -> Any:
        """CreateAccount."""
        key = more.pop("key", None)
        request = pb.CreateAccountRequest(
            id=account_id,
            merchant_id=self.merchant_id,
            type=pb.AccountType.Value(f"ACCOUNT_TYPE_{kind}"),
            currency=currency,
            allow_negative=negative,
            **more,
        )
        return self.reply(self.ledger.CreateAccount, request, key).message

    def posting(self, *lines: Line, **more: Any) -> pb.PostTransactionRequest:
        """What PostTransaction is asked for."""
        return pb.PostTransactionRequest(merchant_id=self.merchant_id, entries=entries(lines), **more)

    def post(self, *lines: Line, key: str | None = None, **more: Any) -> Any:
        """PostTransaction."""
        return self.reply(self.ledger.PostTransaction, self.posting(*lines, **more), key).message

    def hold(self, *lines: Line, **more: Any) -> Any:
        """PostTransaction that places a hold."""
        return self.post(*lines, pending=True, **more)

    def bulk(self, *postings: pb.PostTransactionRequest, key: str | None = None) -> list[Any]:
        """PostTransactions: its results."""
        request = pb.PostTransactionsRequest(merchant_id=self.merchant_id, transactions=postings)
        return list(self.reply(self.ledger.PostTransactions, request, key).message.results)

    def post_hold(self, hold_id: str, amount: int | None = None, key: str | None = None, **more: Any) -> Any:
        """PostPending."""
        request = pb.PostPendingRequest(id=hold_id, amount=amount, **more)
        return self.reply(self.ledger.PostPending, request, key).message

    def void(self, hold_id: str, key: str | None = None, **more: Any) -> Any:
        """VoidPending."""
        return self.reply(self.ledger.VoidPending, pb.VoidPendingRequest(id=hold_id, **more), key).message

    def reverse(self, transaction_id: str, key: str | None = None, **more: Any) -> Any:
        """ReverseTransaction."""
        request = pb.ReverseTransactionRequest(id=transaction_id, **more)
        return self.reply(self.ledger.ReverseTransaction, request, key).message

    def transaction(self, transaction_id: str) -> Any:
        """GetTransaction."""
        return self.reply(self.ledger.GetTransaction, pb.GetTransactionRequest(id=transaction_id)).message

    def sums(self, account_id: str) -> tuple[int, int, int, int, int]:
        """An account's posted, pending debits, pending credits, available and version."""
        found = self.balance(account_id)
        return found.posted, found.pending_debits, found.pending_credits, found.available, found.version


def entries(lines: Sequence[Line]) -> list[pb.Entry]:
    """Lines as a request has them."""
    return [
        pb.Entry(account_id=line[0], amount=line[1], currency=line[2] if len(line) == 3 else "USD")
        for line in lines
    ]


@contextmanager
def opened_books(address: str, merchant_id: str) -> Iterator[LedgerCaller]:
    """A caller with the accounts of BOOKS."""
    with LedgerCaller(address, merchant_id) as caller:
        for account in BOOKS:
            caller.account(*account)
        yield caller
