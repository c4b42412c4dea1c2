from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.ledger.account import Account, AccountType, Balance
from payflow.domain.ledger.booking import book
from payflow.domain.ledger.transaction import DraftTransaction, Layer, Posting, RecordedTransaction, Terms
from payflow.domain.ledger.undoing import posted_hold, resolved, reversal, voided_hold

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Book:
    """Accounts that may do anything, with what is booked on them."""

    def __init__(self) -> None:
        self.balances: dict[str, Balance] = {}
        self._booked = 0

    def add(self, *lines: tuple[str, int], layer: Layer = Layer.POSTED) -> RecordedTransaction:
        postings = tuple(Posting(account_id, amount, "USD", layer) for account_id, amount in lines)
        return self.take(DraftTransaction(f"txn_{self._booked}", postings))

    def take(self, draft: DraftTransaction, terms: Terms | None = None) -> RecordedTransaction:
        self._booked += 1
        accounts = {
            one.account_id: Account(one.account_id, AccountType.ASSET, "USD", allow_negative=True)
            for one in draft.postings
        }
        return RecordedTransaction(book(draft, accounts, self.balances, NOW), terms or Terms())

    def sums(self, account_id: str) -> tuple[int, int, int]:
        balance = self.balances[account_id]
        return balance.posted, balance.pending_debits, balance.pending_credits


def refusal(call: object) -> PayFlowError:
    assert callable(call)
    with pytest.raises(PayFlowError) as refused:
        call()
    return refused.value


@pytest.mark.parametrize(("amount", "posted"), [(None, 10), (10, 10), (4, 4), (1, 1)])
def test_a_hold_is_posted_in_full_or_in_part_and_taken_back_whole(amount: int | None, posted: int) -> None:
    book = Book()
    hold = book.add(("a", 10), ("b", -10), layer=Layer.PENDING)
    assert book.sums("a") == (0, 10, 0)
    assert book.sums("b") == (0, 0, 10)

    made = book.take(posted_hold(hold, "txn_posted", amount, NOW))

    assert made.booked.resolves_transaction_id == hold.booked.id
    assert book.sums("a") == (posted, 0, 0)
    assert book.sums("b") == (-posted, 0, 0)


def test_a_hold_of_three_entries_is_posted_whole_or_not_at_all() -> None:
    book = Book()
    hold = book.add(("a", 10), ("b", -7), ("c", -3), layer=Layer.PENDING)
    assert refusal(lambda: posted_hold(hold, "txn_posted", 5, NOW)).fields[0].field == "amount"
    book.take(posted_hold(hold, "txn_posted", None, NOW))
    assert [book.sums(one)[0] for one in "abc"] == [10, -7, -3]


@pytest.mark.parametrize("amount", [0, -1, 11])
def test_a_part_is_between_nothing_and_all(amount: int) -> None:
    hold = Book().add(("a", 10), ("b", -10), layer=Layer.PENDING)
    assert refusal(lambda: posted_hold(hold, "txn_posted", amount, NOW)).fields[0].field == "amount"


def test_a_voided_hold_leaves_nothing() -> None:
    book = Book()
    hold = book.add(("a", 10), ("b", -10), layer=Layer.PENDING)
    book.take(voided_hold(hold, "txn_voided"))
    assert book.sums("a") == book.sums("b") == (0, 0, 0)


def test_a_lapsed_hold_is_voided_but_not_posted() -> None:
    hold = Book().add(("a", 10), ("b", -10), layer=Layer.PENDING)
    lapsed = RecordedTransaction(hold.booked, Terms(expires_at=NOW))
    assert refusal(lambda: posted_hold(lapsed, "txn_posted", None, NOW)).metadata == {"status": "expired"}
    posted_hold(lapsed, "txn_posted", None, NOW - timedelta(microseconds=1))
    voided_hold(lapsed, "txn_voided")


def test_a_reversal_is_the_exact_opposite_of_what_was_posted() -> None:
    book = Book()
    hold = book.add(("a", 10), ("b", -10), layer=Layer.PENDING)
    posted = book.take(posted_hold(hold, "txn_posted", 4, NOW))
    made = reversal(posted, "txn_reversal")
    assert made.reverses_transaction_id == "txn_posted"
    assert made.postings == (Posting("a", -4, "USD"), Posting("b", 4, "USD"))


def test_what_cannot_be_undone() -> None:
    book = Book()
    hold = book.add(("a", 10), ("b", -10), layer=Layer.PENDING)
    posted = book.add(("a", 10), ("b", -10))
    payment = book.add(("sys:bank:x:USD", 10), ("b", -10))
    voided = book.take(voided_hold(hold, "txn_voided"))
    done = resolved(hold, "txn_voided")
    was_reversed = RecordedTransaction(posted.booked, reversed_by="txn_r")
    refused = {
        "a hold": refusal(lambda: reversal(hold, "t")),
        "a resolved hold": refusal(lambda: reversal(done, "t")),
        "a void": refusal(lambda: reversal(voided, "t")),
        "again": refusal(lambda: reversal(was_reversed, "t")),
        "a payment's": refusal(lambda: reversal(payment, "t")),
        "posting no hold": refusal(lambda: posted_hold(posted, "t", None, NOW)),
        "posting again": refusal(lambda: posted_hold(done, "t", None, NOW)),
        "voiding no hold": refusal(lambda: voided_hold(posted, "t")),
        "voiding again": refusal(lambda: voided_hold(done, "t")),
        "voiding a payment's": refusal(lambda: voided_hold(payment, "t")),
    }
    reasons = {what: error.reason for what, error in refused.items()}
    assert reasons == dict.fromkeys(refused, Reason.INVALID_STATE_TRANSITION)
