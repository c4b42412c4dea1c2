"""Bulk postings: each with a result of its own, in order, seeing those before it."""

from __future__ import annotations

from typing import Any

import pytest

from payflow.v1 import ledger_pb2 as pb
from tests.books import assert_books_right
from tests.http_payments import HttpCaller
from tests.integration.api.ledger_refusals import lines, nothing_written, refused
from tests.ledger_caller import LedgerCaller
from tests.payments import ApiError, Reply
from tests.plain_messages import plain
from tests.stack import Stack

ENTRIES_MAX = 100
BULK_ENTRIES_MAX = 10_000
REQUEST_BYTES_MAX = 1_000_000


def reasons(results: list[Any]) -> list[str]:
    """Why each was refused; empty for what was recorded."""
    return [result.error.reason for result in results]


def test_each_is_applied_or_refused_by_itself_in_order(books: LedgerCaller) -> None:
    good, unbalanced = books.posting(("cash", 5), ("owed", -5)), books.posting(("cash", 5), ("owed", -4))
    results = books.bulk(good, unbalanced, good, books.posting(("till", -1), ("cash", 1)), good)
    assert reasons(results) == ["", "UNBALANCED_TRANSACTION", "", "INSUFFICIENT_BALANCE", ""]
    posted = [result.transaction for result in results if result.HasField("transaction")]
    assert [one.entries[0].account_version for one in posted] == [1, 2, 3]
    assert [one.entries[0].balance_after for one in posted] == [5, 10, 15]
    assert len({one.id for one in posted}) == 3
    assert len({plain(one)["created_at"] for one in posted}) == 1
    for one in posted:
        assert books.transaction(one.id) == one
    assert results[3].error.metadata["account_id"] == "till"
    assert results[3].error.message


def test_a_refusal_names_the_field_as_it_is_in_the_bulk(books: LedgerCaller) -> None:
    good = books.posting(("cash", 5), ("owed", -5))
    results = books.bulk(
        good,
        books.posting(("cash", 0), ("owed", 0)),
        books.posting(("cash", 5), ("sys:bank:simulator:USD", -5)),
        books.posting(("cash", 5, "EUR"), ("euros", -5, "EUR")),
        books.posting(("cash", 1)),
        books.posting(("cash", 5), ("owed", -5), description="d" * 1_001),
        books.posting(("cash", 5), ("nobodys", -5)),
    )
    assert [(result.error.reason, result.error.field) for result in results[1:]] == [
        ("VALIDATION_FAILED", "transactions[1].entries[0].amount"),
        ("VALIDATION_FAILED", "transactions[2].entries[1].account_id"),
        ("CURRENCY_MISMATCH", "transactions[3].entries[0].currency"),
        ("VALIDATION_FAILED", "transactions[4].entries"),
        ("VALIDATION_FAILED", "transactions[5].description"),
        ("NOT_FOUND", ""),
    ]


def test_references_are_unique_inside_a_bulk_and_across(books: LedgerCaller) -> None:
    earlier = books.post(("cash", 1), ("owed", -1), reference="a")
    results = books.bulk(
        books.posting(("cash", 1), ("owed", -1), reference="b"),
        books.posting(("cash", 2), ("owed", -2), reference="b"),
        books.posting(("cash", 3), ("owed", -3), reference="a"),
        books.posting(("cash", 4), ("owed", -3), reference="c"),
        books.posting(("cash", 4), ("owed", -4), reference="c"),
    )
    assert reasons(results) == ["", "TRANSACTION_EXISTS", "TRANSACTION_EXISTS", "UNBALANCED_TRANSACTION", ""]
    assert results[1].error.metadata == {"transaction_id": results[0].transaction.id}
    assert results[2].error.metadata == {"transaction_id": earlier.id}
    assert books.balance("cash").posted == 6


def test_expected_versions_see_what_is_before_them_in_the_bulk(books: LedgerCaller) -> None:
    results = books.bulk(
        books.posting(("cash", 1), ("owed", -1), expected_versions={"cash": 0}),
        books.posting(("cash", 1), ("owed", -1), expected_versions={"cash": 0}),
        books.posting(("cash", 1), ("owed", -1), expected_versions={"cash": 1, "owed": 1}),
    )
    assert reasons(results) == ["", "CONCURRENT_UPDATE", ""]
    assert results[1].error.metadata == {"account_id": "cash", "version": "1"}


def test_money_that_came_in_before_is_there_and_what_went_out_is_gone(books: LedgerCaller) -> None:
    filled, drawn = books.posting(("till", 5), ("owed", -5)), books.posting(("till", -5), ("owed", 5))
    held = books.posting(("till", -5), ("owed", 5), pending=True)
    results = books.bulk(drawn, filled, held, drawn, filled, drawn)
    refusal = "INSUFFICIENT_BALANCE"
    assert reasons(results) == [refusal, "", "", refusal, "", ""]
    assert results[2].transaction.status == pb.TRANSACTION_STATUS_PENDING
    assert books.sums("till") == (5, 0, 5, 0, 4)
    assert books.post_hold(results[2].transaction.id).entries[0].releases


@pytest.mark.parametrize("count", [1, 1_000])
def test_as_few_and_as_many_as_there_may_be(books: LedgerCaller, stack: Stack, count: int) -> None:
    postings = [books.posting(("cash", 2), ("owed", -1), ("sales", -1)) for _ in range(count)]
    results = books.bulk(*postings)
    assert len(results) == count
    versions = [entry.account_version for result in results for entry in result.transaction.entries]
    assert versions == [version for version in range(1, count + 1) for _ in range(3)]
    assert books.sums("cash") == (2 * count, 0, 0, 2 * count, count)
    assert_books_right(stack.database.owner_url)


@pytest.mark.parametrize("count", [0, 1_001])
def test_too_few_and_too_many(books: LedgerCaller, http: HttpCaller, stack: Stack, count: int) -> None:
    item = {"entries": lines(("cash", 1), ("owed", -1))}
    with nothing_written(stack):
        refusal = refused(
            books, http, "bulk", {"merchant_id": books.merchant_id, "transactions": [item] * count}
        )
    assert (refusal.reason, refusal.fields) == ("VALIDATION_FAILED", ("transactions",))


def test_a_bulk_over_http(books: LedgerCaller, http: HttpCaller) -> None:
    good, bad = lines(("cash", 1), ("owed", -1)), lines(("cash", 1), ("owed", 0))
    body = {"merchant_id": books.merchant_id, "transactions": [{"entries": good}, {"entries": bad}]}
    reply = http.post("/v1/ledger/transactions:batch", body)
    assert reply.status == 200
    first, second = reply.json["results"]
    assert (first["transaction"]["status"], first["transaction"]["entries"][0]["amount"]) == ("posted", 1)
    assert second["error"]["reason"] == "VALIDATION_FAILED"
    assert second["error"]["field"] == "transactions[1].entries[1].amount"


def test_every_transaction_is_of_the_bulks_merchant(books: LedgerCaller, address: str, stack: Stack) -> None:
    own, foreign = (books.posting(("cash", 1), ("owed", -1)) for _ in range(2))
    foreign.merchant_id = f"{books.merchant_id}_other"
    with LedgerCaller(address, foreign.merchant_id) as others:
        others.account("cash")
        others.account("owed", "LIABILITY")
        results = books.bulk(own, foreign)
        assert [(one.error.reason, one.error.field) for one in results] == [
            ("", ""),
            ("VALIDATION_FAILED", "transactions[1].merchant_id"),
        ]
        assert others.sums("cash") == (0, 0, 0, 0, 0)
    nobodys = pb.PostTransactionsRequest(merchant_id="no/body", transactions=[own])
    with nothing_written(stack), pytest.raises(ApiError, match="VALIDATION_FAILED") as error:
        books.reply(books.ledger.PostTransactions, nobodys)
    assert error.value.fields == ["merchant_id"]


def test_the_merchant_may_be_named_by_the_bulk_or_by_its_transactions(
    books: LedgerCaller, stack: Stack
) -> None:
    named = books.posting(("cash", 1), ("owed", -1))
    nameless, foreign = pb.PostTransactionRequest(entries=named.entries), pb.PostTransactionRequest()
    foreign.merchant_id = f"{books.merchant_id}_other"

    def post(merchant_id: str, *postings: pb.PostTransactionRequest) -> Reply:
        request = pb.PostTransactionsRequest(merchant_id=merchant_id, transactions=postings)
        return books.reply(books.ledger.PostTransactions, request, "once")

    first = post("", named, nameless)
    assert reasons(first.message.results) == ["", ""]
    again = post(books.merchant_id, nameless, nameless)
    assert (again.message, again.replayed) == (first.message, True)
    for postings in ([named, foreign], [nameless]):
        with nothing_written(stack), pytest.raises(ApiError, match="VALIDATION_FAILED") as error:
            post("", *postings)
        assert error.value.fields == ["merchant_id"]


def test_a_bulk_with_nothing_good_in_it_leaves_nothing_and_frees_the_key(
    books: LedgerCaller, stack: Stack
) -> None:
    drawn = books.posting(("till", -5), ("owed", 5))
    with nothing_written(stack):
        assert reasons(books.bulk(drawn, drawn, key="free")) == ["INSUFFICIENT_BALANCE"] * 2
    books.post(("till", 5), ("owed", -5))
    assert reasons(books.bulk(drawn, drawn, key="free")) == ["", "INSUFFICIENT_BALANCE"]
    assert reasons(books.bulk(drawn, drawn, key="free")) == ["", "INSUFFICIENT_BALANCE"]
    assert books.balance("till").posted == 0


def test_the_answer_to_the_longest_bulk_is_read_by_a_client_that_sets_no_limits(books: LedgerCaller) -> None:
    """As many entries and bytes as a request may have, every number at its longest."""
    payer, payee = "p" * 76, "q" * 76
    for account_id in (payer, payee):
        books.account(account_id)
    books.post((payer, -(2**62)), (payee, 2**62))
    there = books.posting(*[(payer, -(2**56)), (payee, 2**56)] * (ENTRIES_MAX // 2))
    back = books.posting(*[(payer, 2**56), (payee, -(2**56))] * (ENTRIES_MAX // 2))
    postings = [there, back] * (BULK_ENTRIES_MAX // ENTRIES_MAX // 2)
    request = pb.PostTransactionsRequest(merchant_id=books.merchant_id, transactions=postings)
    assert 0.85 * REQUEST_BYTES_MAX < request.ByteSize() < REQUEST_BYTES_MAX
    first = books.reply(books.ledger.PostTransactions, request, "longest")
    assert not any(reasons(first.message.results))
    again = books.reply(books.ledger.PostTransactions, request, "longest")
    assert (again.message, again.replayed) == (first.message, True)


def test_a_bulk_with_more_entries(books: LedgerCaller, http: HttpCaller, stack: Stack) -> None:
    item = {"entries": lines(("cash", 1), ("owed", -1)) * (ENTRIES_MAX // 2)}
    items = [item] * (BULK_ENTRIES_MAX // ENTRIES_MAX) + [{"entries": lines(("cash", 1), ("owed", -1))}]
    with nothing_written(stack):
        refusal = refused(books, http, "bulk", {"merchant_id": books.merchant_id, "transactions": items})
    assert (refusal.reason, refusal.fields) == ("VALIDATION_FAILED", ("transactions",))


def test_the_merchant_may_be_named_above_or_in_each_and_the_request_is_the_same(books: LedgerCaller) -> None:
    named = books.posting(("cash", 5), ("owed", -5))
    unnamed = pb.PostTransactionRequest()
    unnamed.CopyFrom(named)
    unnamed.ClearField("merchant_id")
    requests = [
        pb.PostTransactionsRequest(merchant_id=books.merchant_id, transactions=[unnamed, unnamed]),
        pb.PostTransactionsRequest(merchant_id=books.merchant_id, transactions=[named, unnamed]),
        pb.PostTransactionsRequest(transactions=[named, named]),
        pb.PostTransactionsRequest(transactions=[unnamed, named]),
    ]
    replies = [books.reply(books.ledger.PostTransactions, request, "one bulk") for request in requests]
    assert [reply.replayed for reply in replies] == [False, True, True, True]
    assert all(reply.message == replies[0].message for reply in replies)


def test_several_merchants_in_a_bulk_of_none_are_refused(books: LedgerCaller) -> None:
    other = books.posting(("cash", 5), ("owed", -5))
    other.merchant_id = f"{books.merchant_id}_other"
    request = pb.PostTransactionsRequest(transactions=[other, books.posting(("cash", 5), ("owed", -5))])
    with pytest.raises(ApiError, match="VALIDATION_FAILED") as refused:
        books.reply(books.ledger.PostTransactions, request)
    assert refused.value.fields == ["merchant_id"]
