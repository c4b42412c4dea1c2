"""Reversals: the exact opposite, once, linked."""

from __future__ import annotations

from typing import Any

import pytest

from payflow.v1 import ledger_pb2 as pb
from tests.http_payments import HttpCaller
from tests.integration.api.ledger_refusals import nothing_written, refused
from tests.ledger_caller import LedgerCaller
from tests.payments import ApiError
from tests.stack import Stack

INT64_MAX = 2**63 - 1


def amounts(transaction: Any) -> list[tuple[str, int]]:
    """What a transaction posts, account by account."""
    assert all(entry.layer == pb.LAYER_POSTED for entry in transaction.entries)
    return [(entry.account_id, entry.amount) for entry in transaction.entries]


def test_a_reversal_is_the_exact_opposite_and_linked(books: LedgerCaller) -> None:
    original = books.post(
        ("cash", 100), ("owed", -97), ("sales", -3), ("euros", 5, "EUR"), ("euros", -5, "EUR")
    )
    reversal = books.reverse(
        original.id, reference="back-7", description="Wrong order", metadata={"order": "7"}
    )
    assert amounts(reversal) == [(account_id, -amount) for account_id, amount in amounts(original)]
    assert [entry.currency for entry in reversal.entries] == [entry.currency for entry in original.entries]
    assert reversal.status == pb.TRANSACTION_STATUS_POSTED
    assert (reversal.reverses_transaction_id, reversal.reference) == (original.id, "back-7")
    assert (reversal.description, dict(reversal.metadata)) == ("Wrong order", {"order": "7"})
    assert books.sums("cash") == (0, 0, 0, 0, 2)
    assert books.transaction(reversal.id) == reversal
    reversed_one = books.transaction(original.id)
    assert reversed_one.reversed_by_transaction_id == reversal.id
    assert (reversed_one.status, list(reversed_one.entries)) == (original.status, list(original.entries))


def test_a_transaction_is_reversed_once(books: LedgerCaller, http: HttpCaller, stack: Stack) -> None:
    original = books.post(("cash", 100), ("owed", -100))
    reversal = books.reverse(original.id)
    with nothing_written(stack):
        refusal = refused(books, http, "reverse", {"id": original.id})
    assert refusal.reason == "INVALID_STATE_TRANSITION"
    again = books.reverse(reversal.id)
    assert (again.reverses_transaction_id, amounts(again)) == (reversal.id, amounts(original))
    assert books.sums("cash") == (100, 0, 0, 100, 3)


def test_only_what_was_posted_is_reversed(books: LedgerCaller, http: HttpCaller, stack: Stack) -> None:
    held, voided, taken = (books.hold(("cash", 30), ("owed", -30)) for _ in range(3))
    void, posted = books.void(voided.id), books.post_hold(taken.id, 20)
    for transaction in (held, voided, taken, void):
        with nothing_written(stack):
            refusal = refused(books, http, "reverse", {"id": transaction.id})
        assert refusal.reason == "INVALID_STATE_TRANSITION"
    assert amounts(books.reverse(posted.id)) == [("cash", -20), ("owed", 20)]
    assert books.sums("cash") == (0, 30, 0, 0, 7)


def test_a_reversal_obeys_the_limits_of_accounts(books: LedgerCaller, stack: Stack) -> None:
    filled = books.post(("till", 100), ("owed", -100))
    books.post(("till", -1), ("owed", 1))
    with nothing_written(stack), pytest.raises(ApiError, match="INSUFFICIENT_BALANCE") as error:
        books.reverse(filled.id)
    assert error.value.metadata["account_id"] == "till"
    most = books.post(("cash", INT64_MAX), ("sales", -INT64_MAX))
    books.post(("cash", -INT64_MAX), ("sales", INT64_MAX))
    books.post(("cash", -1), ("sales", 1))
    with nothing_written(stack), pytest.raises(ApiError, match="VALIDATION_FAILED") as error:
        books.reverse(most.id)
    assert error.value.fields == ["id"]
    books.post(("cash", 1), ("sales", -1))
    assert amounts(books.reverse(most.id)) == [("cash", -INT64_MAX), ("sales", INT64_MAX)]


def test_a_reversals_reference_is_unique_too(books: LedgerCaller, stack: Stack) -> None:
    original = books.post(("cash", 100), ("owed", -100), reference="order-7")
    with nothing_written(stack), pytest.raises(ApiError, match="TRANSACTION_EXISTS") as error:
        books.reverse(original.id, reference="order-7")
    assert error.value.metadata == {"transaction_id": original.id}
    with nothing_written(stack), pytest.raises(ApiError, match="VALIDATION_FAILED") as error:
        books.reverse(original.id, reference="a\x00b")
    assert error.value.fields == ["reference"]
    reversal = books.reverse(original.id, reference="order-7-back")
    with pytest.raises(ApiError, match="TRANSACTION_EXISTS") as error:
        books.post(("cash", 1), ("owed", -1), reference="order-7-back")
    assert error.value.metadata == {"transaction_id": reversal.id}
