"""Balances as of instants, statements of account and trial balances: one snapshot, page after page."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from payflow.v1 import ledger_pb2 as pb
from tests.http_payments import HttpCaller
from tests.ledger_caller import BOOKS, LedgerCaller
from tests.paging import pages
from tests.payments import ApiError

INT64_MAX = 2**63 - 1
OWN = sorted(account[0] for account in BOOKS)
AMOUNTS = (5, 7, -2, 11, 13)


def micros(at: Timestamp, add: int = 0) -> Timestamp:
    """An instant some microseconds later; entries are recorded to the microsecond."""
    moved = Timestamp()
    moved.FromMicroseconds(at.ToMicroseconds() + add)
    return moved


@pytest.fixture
def posted(books: LedgerCaller) -> list[Any]:
    """Transactions of AMOUNTS on cash."""
    return [books.post(("cash", amount), ("owed", -amount)) for amount in AMOUNTS]


def as_of(books: LedgerCaller, at: Timestamp, *account_ids: str) -> list[Any]:
    request = pb.BatchGetBalancesRequest(merchant_id=books.merchant_id, account_ids=account_ids, as_of=at)
    return list(books.ledger.BatchGetBalances(request).balances)


def test_a_balance_between_any_two_entries(books: LedgerCaller, posted: list[Any]) -> None:
    opened = books.reply(
        books.ledger.GetAccount,
        pb.GetAccountRequest(account_id="cash", merchant_id=books.merchant_id),
    ).message.created_at
    [before] = as_of(books, micros(opened, -1), "cash")
    assert (before.posted, before.version, before.currency) == (0, 0, "USD")
    for number, transaction in enumerate(posted, 1):
        at = transaction.created_at
        [then, just_before] = [as_of(books, micros(at, add), "cash")[0] for add in (0, -1)]
        assert (then.version, then.posted, then.available) == (number, sum(AMOUNTS[:number]), then.posted)
        assert (just_before.version, just_before.posted) == (number - 1, sum(AMOUNTS[: number - 1]))
        assert (then.as_of, just_before.as_of) == (at, micros(at, -1))
        request = pb.GetBalanceRequest(account_id="cash", merchant_id=books.merchant_id, as_of=at)
        assert books.ledger.GetBalance(request) == then


def test_holds_as_of_an_instant(books: LedgerCaller) -> None:
    hold = books.hold(("cash", 30), ("owed", -30))
    taken = books.post_hold(hold.id, 20)
    held, settled = (
        as_of(books, at, "cash", "owed") for at in (micros(taken.created_at, -1), taken.created_at)
    )
    assert [(one.posted, one.pending_debits, one.pending_credits) for one in (*held, *settled)] == [
        (0, 30, 0),
        (0, 0, 30),
        (20, 0, 0),
        (-20, 0, 0),
    ]


@pytest.mark.parametrize("now", [True, False])
def test_many_balances_in_the_order_asked_for(
    books: LedgerCaller, posted: list[Any], http: HttpCaller, now: bool
) -> None:
    asked = ["owed", "cash", "till", "cash"]
    request: dict[str, Any] = {"merchant_id": books.merchant_id, "account_ids": asked}
    if not now:
        request["as_of"] = posted[1].created_at.ToJsonString()
    # It changes nothing, and needs no key.
    reply = http.post("/v1/ledger/balances:batchGet", request, key="")
    assert reply.status == 200
    total = sum(AMOUNTS if now else AMOUNTS[:2])
    found = [(one["account_id"], one["posted"]) for one in reply.json["balances"]]
    assert found == [("owed", -total), ("cash", total), ("till", 0), ("cash", total)]


def test_a_thousand_balances_and_not_one_more(books: LedgerCaller) -> None:
    request = pb.BatchGetBalancesRequest(merchant_id=books.merchant_id, account_ids=["cash"] * 1_000)
    assert len(books.ledger.BatchGetBalances(request).balances) == 1_000
    request.account_ids.append("cash")
    with pytest.raises(ApiError, match="VALIDATION_FAILED") as refused:
        books.reply(books.ledger.BatchGetBalances, request)
    assert refused.value.fields == ["account_ids"]


def test_the_first_account_that_is_missing_is_named(books: LedgerCaller) -> None:
    asked = ["cash", "nobody", "till", "no-one"]
    request = pb.BatchGetBalancesRequest(merchant_id=books.merchant_id, account_ids=asked)
    with pytest.raises(ApiError, match=r"NOT_FOUND: no account with id 'nobody'"):
        books.reply(books.ledger.BatchGetBalances, request)


def statement(books: LedgerCaller, size: int = 0, **period: Any) -> list[Any]:
    request = pb.GetAccountStatementRequest(
        account_id="cash", merchant_id=books.merchant_id, page_size=size, **period
    )
    return pages(books.ledger.GetAccountStatement, request)


def numbers(page: Any) -> list[int]:
    return [entry.account_version for entry in page.entries]


@pytest.mark.parametrize("size", [1, 2, 3, 0])
def test_a_statement_from_its_start_to_before_its_end(
    books: LedgerCaller, posted: list[Any], size: int
) -> None:
    start, end = posted[1].created_at, posted[4].created_at
    found = statement(books, size, start_time=start, end_time=end)
    listed = [entry for page in found for entry in page.entries]
    assert listed == [posted[number].entries[0] for number in (1, 2, 3)]
    for page in found:
        assert page.account.id == "cash"
        assert (page.opening.posted, page.opening.version, page.opening.as_of) == (5, 1, start)
        assert (page.closing.posted, page.closing.version, page.closing.as_of) == (21, 4, end)
    assert found[0].opening.posted + sum(entry.amount for entry in listed) == found[0].closing.posted


def test_a_statement_of_everything(books: LedgerCaller, posted: list[Any]) -> None:
    [found] = statement(books)
    assert numbers(found) == [1, 2, 3, 4, 5]
    assert (found.opening.posted, found.opening.version, found.opening.available) == (0, 0, 0)
    assert found.opening.as_of == posted[0].created_at
    assert found.closing == books.balance("cash")
    [from_second] = statement(books, start_time=micros(posted[0].created_at, 1))
    assert (numbers(from_second), from_second.opening.posted) == ([2, 3, 4, 5], 5)
    [until_second] = statement(books, end_time=posted[1].created_at)
    assert (numbers(until_second), until_second.closing.posted) == ([1], 5)


def test_statements_of_nothing(books: LedgerCaller, posted: list[Any]) -> None:
    at = posted[2].created_at
    for start, end, held in ((at, at, 12), (micros(at, 1), posted[3].created_at, 10)):
        [found] = statement(books, start_time=start, end_time=end)
        assert (numbers(found), found.opening.posted, found.closing.posted) == ([], held, held)
    request = pb.GetAccountStatementRequest(account_id="till", merchant_id=books.merchant_id)
    untouched = books.ledger.GetAccountStatement(request)
    assert (untouched.opening.version, untouched.closing.version) == (0, 0)
    assert not untouched.opening.HasField("as_of") and not untouched.closing.HasField("as_of")
    # Before and behind all entries.
    [before] = statement(books, end_time=posted[0].created_at)
    [behind] = statement(books, start_time=micros(posted[4].created_at, 1))
    assert (numbers(before), before.opening.version, before.closing.version) == ([], 0, 0)
    assert (numbers(behind), behind.opening.posted, behind.closing.posted) == ([], 34, 34)


def test_every_page_of_a_statement_speaks_of_the_same_entries(books: LedgerCaller, posted: list[Any]) -> None:
    request = pb.GetAccountStatementRequest(account_id="cash", merchant_id=books.merchant_id, page_size=2)
    found = [books.ledger.GetAccountStatement(request)]
    while found[-1].next_page_token:
        books.post(("cash", 1_000), ("owed", -1_000))
        request.page_token = found[-1].next_page_token
        found.append(books.ledger.GetAccountStatement(request))
    assert [numbers(page) for page in found] == [[1, 2], [3, 4], [5]]
    assert len({page.closing.SerializeToString() for page in found}) == 1
    assert len({page.opening.SerializeToString() for page in found}) == 1
    assert found[0].closing.version == 5


def test_a_statement_with_holds(books: LedgerCaller) -> None:
    hold = books.hold(("wallet", -30), ("cash", 30))
    taken = books.post_hold(hold.id, 20)
    request = pb.GetAccountStatementRequest(
        account_id="wallet", merchant_id=books.merchant_id, start_time=taken.created_at
    )
    found = books.ledger.GetAccountStatement(request)
    assert (found.opening.pending_credits, found.opening.posted, found.opening.available) == (30, 0, 0)
    assert (found.closing.pending_credits, found.closing.posted, found.closing.available) == (0, -20, 20)
    assert [(entry.layer, entry.releases) for entry in found.entries] == [
        (pb.LAYER_PENDING, True),
        (pb.LAYER_POSTED, False),
    ]


def test_a_statement_over_http(books: LedgerCaller, posted: list[Any], http: HttpCaller) -> None:
    start = posted[3].created_at.ToJsonString()
    query = f"merchant_id={books.merchant_id}&start_time={start}&page_size=1"
    reply = http.get(f"/v1/ledger/accounts/cash/statement?{query}")
    assert (reply.status, [entry["amount"] for entry in reply.json["entries"]]) == (200, [11])
    assert (reply.json["opening"]["posted"], reply.json["closing"]["posted"]) == (10, 34)
    again = http.get(f"/v1/ledger/accounts/cash/statement?{query}&page_token={reply.json['next_page_token']}")
    assert ([entry["amount"] for entry in again.json["entries"]], again.json["next_page_token"]) == ([13], "")


def trial_balance(books: LedgerCaller, **asked: Any) -> list[Any]:
    return pages(
        books.ledger.GetTrialBalance, pb.GetTrialBalanceRequest(merchant_id=books.merchant_id, **asked)
    )


def totals(page: Any) -> dict[str, tuple[int, int, int]]:
    return {one.currency: (one.debits, one.credits, one.difference) for one in page.totals}


@pytest.mark.parametrize("size", [1, 3, 7, 5_000, 0])
def test_every_page_of_a_trial_balance_has_the_totals_of_the_book(
    books: LedgerCaller, posted: list[Any], size: int
) -> None:
    books.post(("euros", 50, "EUR"), ("euros_owed", -50, "EUR"), ("cash", -1), ("sales", 1))
    found = trial_balance(books, page_size=size)
    assert [one.account_id for page in found for one in page.balances] == OWN
    for page in found:
        assert totals(page) == {"EUR": (50, 50, 0), "USD": (34, 34, 0)}
    as_it_was = trial_balance(books, page_size=size, as_of=posted[1].created_at)
    assert [one.account_id for page in as_it_was for one in page.balances] == OWN
    for page in as_it_was:
        assert totals(page) == {"EUR": (0, 0, 0), "USD": (12, 12, 0)}
        assert all(one.as_of == posted[1].created_at for one in page.balances)
    assert [(one.account_id, one.posted) for page in as_it_was for one in page.balances if one.posted] == [
        ("cash", 12),
        ("owed", -12),
    ]


def test_pages_of_a_trial_balance_as_of_an_instant_agree(books: LedgerCaller, posted: list[Any]) -> None:
    request = pb.GetTrialBalanceRequest(
        merchant_id=books.merchant_id, as_of=posted[3].created_at, page_size=4
    )
    first = books.ledger.GetTrialBalance(request)
    books.post(("cash", 1_000), ("owed", -1_000))
    request.page_token = first.next_page_token
    second = books.ledger.GetTrialBalance(request)
    assert totals(first) == totals(second) == {"EUR": (0, 0, 0), "USD": (21, 21, 0)}
    assert sum(one.posted for one in (*first.balances, *second.balances)) == 0


def test_totals_beyond_64_bits_are_refused_not_wrong(books: LedgerCaller) -> None:
    for account_id in ("a", "b"):
        books.account(account_id)
    most = books.post(("a", INT64_MAX), ("owed", -INT64_MAX))
    [found] = trial_balance(books)
    assert totals(found)["USD"] == (INT64_MAX, INT64_MAX, 0)
    books.post(("b", 1), ("sales", -1))
    for asked in ({}, {"as_of": books.balance("b").as_of}):
        with pytest.raises(ApiError, match="LIMIT_REACHED") as refused:
            books.reply(
                books.ledger.GetTrialBalance,
                pb.GetTrialBalanceRequest(merchant_id=books.merchant_id, **asked),
            )
        assert refused.value.metadata == {"currency": "USD"}
    [then] = trial_balance(books, as_of=most.created_at)
    assert totals(then)["USD"] == (INT64_MAX, INT64_MAX, 0)
