"""Lists of a book: accounts, transactions and entries, filtered and in pages."""

from __future__ import annotations

from typing import Any

import pytest

from payflow.v1 import ledger_pb2 as pb
from tests.http_payments import HttpCaller
from tests.ledger_caller import BOOKS, LedgerCaller
from tests.paging import pages

OWN = sorted(account[0] for account in BOOKS)
OLDEST_FIRST, NEWEST_FIRST = pb.ENTRY_ORDER_OLDEST_FIRST, pb.ENTRY_ORDER_NEWEST_FIRST


def account_ids(books: LedgerCaller, size: int = 0, **filters: Any) -> list[str]:
    request = pb.ListAccountsRequest(merchant_id=books.merchant_id, page_size=size, **filters)
    return [one.id for page in pages(books.ledger.ListAccounts, request) for one in page.accounts]


def transaction_ids(books: LedgerCaller, size: int = 0, **filters: Any) -> list[str]:
    request = pb.ListTransactionsRequest(merchant_id=books.merchant_id, page_size=size, **filters)
    return [one.id for page in pages(books.ledger.ListTransactions, request) for one in page.transactions]


def asked_entries(books: LedgerCaller, **filters: Any) -> pb.ListEntriesRequest:
    return pb.ListEntriesRequest(merchant_id=books.merchant_id, **filters)


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8, 0])
def test_accounts_by_id_in_pages_of_any_size(books: LedgerCaller, size: int) -> None:
    assert account_ids(books, size) == OWN


def test_accounts_as_they_were_opened(books: LedgerCaller) -> None:
    opened = books.account("safe", "EQUITY", "JPY", False, name="A safe", metadata={"floor": "2"})
    [listed] = books.ledger.ListAccounts(
        pb.ListAccountsRequest(merchant_id=books.merchant_id, currency="JPY")
    ).accounts
    assert listed == opened


@pytest.mark.parametrize("size", [1, 0])
def test_accounts_that_match(books: LedgerCaller, size: int) -> None:
    tagged = {"kind": "wallet", "owner": "7"}
    books.account("w7", "LIABILITY", "EUR", metadata=tagged)
    books.account("w8", "LIABILITY", "USD", metadata=tagged | {"owner": "8"})
    books.account("x7", "ASSET", "USD", metadata=tagged)
    # Not of an account, though it has the same metadata.
    books.post(("cash", 1), ("owed", -1), metadata=tagged)
    listed = [
        account_ids(books, size, **filters)
        for filters in (
            {"type": pb.ACCOUNT_TYPE_REVENUE},
            {"currency": "EUR"},
            {"type": pb.ACCOUNT_TYPE_LIABILITY, "currency": "EUR"},
            {"metadata": {"kind": "wallet"}},
            {"metadata": tagged},
            {"metadata": {"kind": "wallet"}, "type": pb.ACCOUNT_TYPE_LIABILITY},
            {"metadata": tagged, "type": pb.ACCOUNT_TYPE_ASSET, "currency": "USD"},
            {"metadata": tagged, "currency": "JPY"},
            {"metadata": {"owner": ""}},
        )
    ]
    assert listed == [
        ["sales"],
        ["euros", "euros_owed", "w7"],
        ["euros_owed", "w7"],
        ["w7", "w8", "x7"],
        ["w7", "x7"],
        ["w7", "w8"],
        ["x7"],
        [],
        [],
    ]


def test_metadata_over_http(books: LedgerCaller, http: HttpCaller) -> None:
    odd = {"a b": "1&2=3", "ä[0]": "é"}
    books.account("odd", metadata=odd)
    query = f"merchant_id={books.merchant_id}&metadata[a+b]=1%262%3D3&metadata%5B%C3%A4[0]%5D=%C3%A9"
    reply = http.get(f"/v1/ledger/accounts?{query}")
    assert (reply.status, [one["id"] for one in reply.json["accounts"]]) == (200, ["odd"])
    assert reply.json["accounts"][0]["metadata"] == odd
    assert http.get(f"/v1/ledger/accounts?{query}4").json == {"accounts": [], "next_page_token": ""}


def test_payments_accounts_are_listed_too(books: LedgerCaller) -> None:
    books.captured(1_000)
    sys = [f"sys:{role}:simulator:USD" for role in ("merchant_payable", "platform_fees", "psp_clearing")]
    assert account_ids(books, 3) == sorted(OWN + sys)
    # Authorized and captured: a hold, and what resolved it.
    captured, held = (books.transaction(one) for one in transaction_ids(books))
    assert held.resolved_by_transaction_id == captured.id == transaction_ids(books)[0]


def test_a_book_is_its_merchants_alone(books: LedgerCaller, address: str) -> None:
    posted = books.post(("cash", 1), ("owed", -1), metadata={"a": "1"}, reference="r")
    with LedgerCaller(address, f"{books.merchant_id}.other") as other:
        other.account("cash")
        assert account_ids(other) == ["cash"]
        for filters in ({}, {"metadata": {"a": "1"}}, {"reference": "r"}):
            assert transaction_ids(other, **filters) == []
        assert list(other.ledger.ListEntries(asked_entries(other, account_id="cash")).entries) == []
    assert transaction_ids(books, metadata={"a": "1"}) == [posted.id]


@pytest.mark.parametrize("size", [1, 2, 5, 0])
def test_transactions_newest_first(books: LedgerCaller, size: int) -> None:
    posted = [books.post(("cash", amount), ("owed", -amount)) for amount in range(1, 6)]
    request = pb.ListTransactionsRequest(merchant_id=books.merchant_id, page_size=size)
    listed = [one for page in pages(books.ledger.ListTransactions, request) for one in page.transactions]
    assert listed == posted[::-1]
    assert [books.transaction(one.id) for one in posted] == posted


@pytest.mark.parametrize("size", [1, 0])
def test_transactions_that_match(books: LedgerCaller, size: int) -> None:
    lines = (("cash", 5), ("owed", -5))
    first = books.post(*lines, reference="order-1", metadata={"order": "1", "shop": "a"})
    held = books.hold(*lines, metadata={"order": "1", "shop": "b"})
    waiting = books.hold(*lines)
    books.account("tagged", metadata={"order": "1"})
    taken = books.post_hold(held.id, metadata={"shop": "b"})
    back = books.reverse(first.id, reference="order-1-back")
    listed = [
        transaction_ids(books, size, **filters)
        for filters in (
            {"reference": "order-1"},
            {"reference": "order-2"},
            {"status": pb.TRANSACTION_STATUS_POSTED},
            {"status": pb.TRANSACTION_STATUS_PENDING},
            {"status": pb.TRANSACTION_STATUS_RESOLVED},
            {"metadata": {"order": "1"}},
            {"metadata": {"order": "1"}, "status": pb.TRANSACTION_STATUS_RESOLVED},
            {"metadata": {"shop": "b"}, "status": pb.TRANSACTION_STATUS_POSTED},
            {"metadata": {"order": "1", "shop": "a"}, "reference": "order-1"},
            {"metadata": {"shop": "b"}, "reference": "order-1"},
            {"reference": "order-1", "status": pb.TRANSACTION_STATUS_PENDING},
        )
    ]
    assert listed == [
        [first.id],
        [],
        [back.id, taken.id, first.id],
        [waiting.id],
        [held.id],
        [held.id, first.id],
        [held.id],
        [taken.id],
        [first.id],
        [],
        [],
    ]


def test_what_became_of_a_transaction(books: LedgerCaller) -> None:
    lines = (("cash", 5), ("owed", -5))
    held, voided, wrong = books.hold(*lines), books.hold(*lines), books.post(*lines)
    taken, void, back = books.post_hold(held.id, 3), books.void(voided.id), books.reverse(wrong.id)
    request = pb.ListTransactionsRequest(merchant_id=books.merchant_id)
    listed = {one.id: one for one in books.ledger.ListTransactions(request).transactions}
    for read in (books.transaction, listed.__getitem__):
        for hold, resolver in ((held, taken), (voided, void)):
            found = read(hold.id)
            assert (found.status, found.resolved_by_transaction_id) == (
                pb.TRANSACTION_STATUS_RESOLVED,
                resolver.id,
            )
            assert found.entries == hold.entries
            assert read(resolver.id) == resolver
        assert (read(wrong.id).status, read(wrong.id).reversed_by_transaction_id) == (
            pb.TRANSACTION_STATUS_POSTED,
            back.id,
        )
        assert read(back.id) == back


def test_a_page_of_large_transactions_is_cut_to_what_can_be_read(books: LedgerCaller) -> None:
    lines = [("cash", 1), ("owed", -1)] * 50
    for _ in range(11):
        books.bulk(*[books.posting(*lines) for _ in range(10)])
    request = pb.ListTransactionsRequest(merchant_id=books.merchant_id, page_size=500)
    found = pages(books.ledger.ListTransactions, request)
    assert [len(page.transactions) for page in found] == [100, 10]
    assert len({one.id for page in found for one in page.transactions}) == 110


def versions(page: Any) -> list[int]:
    return [entry.account_version for entry in page.entries]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 9, 0])
@pytest.mark.parametrize("order", [OLDEST_FIRST, NEWEST_FIRST])
def test_entries_of_an_account_in_pages_both_ways(books: LedgerCaller, size: int, order: Any) -> None:
    posted = [books.post(("cash", amount), ("owed", -amount)) for amount in range(1, 5)]
    request = asked_entries(books, account_id="cash", page_size=size, order=order)
    forth = pages(books.ledger.ListEntries, request)
    listed = [entry for page in forth for entry in page.entries]
    expected = [one.entries[0] for one in posted]
    assert listed == (expected if order == OLDEST_FIRST else expected[::-1])
    assert not forth[0].previous_page_token
    assert all(page.previous_page_token for page in forth[1:])
    back = [forth[-1]]
    while back[0].previous_page_token:
        request.page_token = back[0].previous_page_token
        back.insert(0, books.ledger.ListEntries(request))
    assert [versions(page) for page in back] == [versions(page) for page in forth]
    assert all(page.next_page_token for page in back[:-1])


def test_the_way_back_from_the_middle_is_as_long_as_the_way_there(books: LedgerCaller) -> None:
    for amount in range(1, 6):
        books.post(("cash", amount), ("owed", -amount))
    request = asked_entries(books, account_id="cash", page_size=2, order=NEWEST_FIRST)
    first = books.ledger.ListEntries(request)
    request.page_token = first.next_page_token
    second = books.ledger.ListEntries(request)
    assert (versions(first), versions(second)) == ([5, 4], [3, 2])
    # Recorded meanwhile: before the first page of what is listed newest first.
    books.post(("cash", 6), ("owed", -6))
    request.page_token, request.page_size = second.previous_page_token, 3
    before = books.ledger.ListEntries(request)
    assert (versions(before), before.previous_page_token) == ([6, 5, 4], "")
    request.page_token, request.page_size = before.next_page_token, 9
    rest = books.ledger.ListEntries(request)
    assert (versions(rest), rest.next_page_token) == ([3, 2, 1], "")


def test_entries_of_a_transaction_and_of_an_account_in_it(books: LedgerCaller) -> None:
    lines = (("cash", 3), ("owed", -5), ("cash", 2), ("sales", -4), ("owed", 4))
    books.post(("cash", 1), ("owed", -1))
    entries = list(books.post(*lines).entries)
    transaction_id = entries[0].transaction_id
    for size in (1, 2, 0):
        for order, step in ((OLDEST_FIRST, 1), (NEWEST_FIRST, -1)):
            for account_id, places in (
                ("", [1, 2, 3, 4, 5]),
                ("cash", [1, 3]),
                ("owed", [2, 5]),
                ("till", []),
            ):
                # The id alone finds the merchant.
                request = pb.ListEntriesRequest(
                    account_id=account_id, transaction_id=transaction_id, page_size=size, order=order
                )
                found = pages(books.ledger.ListEntries, request)
                listed = [entry for page in found for entry in page.entries]
                assert listed == [entries[place - 1] for place in places[::step]]
                assert [entry.position for entry in listed] == places[::step]


def test_a_generated_account_id_finds_its_book(books: LedgerCaller) -> None:
    account_id = books.account().id
    books.post((account_id, 4), ("owed", -4))
    [entry] = books.ledger.ListEntries(pb.ListEntriesRequest(account_id=account_id)).entries
    assert (entry.account_id, entry.amount, entry.available_after) == (account_id, 4, 4)
    assert books.ledger.GetBalance(pb.GetBalanceRequest(account_id=account_id)).posted == 4
    statement = books.ledger.GetAccountStatement(pb.GetAccountStatementRequest(account_id=account_id))
    assert (statement.account.id, list(statement.entries)) == (account_id, [entry])
