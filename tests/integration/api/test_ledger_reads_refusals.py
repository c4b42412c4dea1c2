"""What reads of a book refuse, through both doors, in words that tell nothing of other merchants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import pytest

from payflow.v1 import ledger_pb2 as pb
from tests.http_payments import HttpCaller
from tests.identifiers import never_given
from tests.integration.api.ledger_refusals import CODES, nothing_written
from tests.integration.api.refusals import Refusal, Rpc, over_grpc, over_http, payload_of
from tests.ledger_caller import LedgerCaller, opened_books
from tests.payments import ApiError
from tests.stack import Stack

SERVICE = "/payflow.v1.LedgerService/"
NUL = "a\x00b"
NEVER = f"txn_{'0' * 32}"

ACCOUNTS = "/v1/ledger/accounts"
TRANSACTIONS = "/v1/ledger/transactions"
RPCS: Mapping[str, Rpc] = {
    "account": Rpc(f"{SERVICE}GetAccount", pb.GetAccountRequest, "GET", f"{ACCOUNTS}/{{account_id}}"),
    "accounts": Rpc(f"{SERVICE}ListAccounts", pb.ListAccountsRequest, "GET", ACCOUNTS),
    "transaction": Rpc(f"{SERVICE}GetTransaction", pb.GetTransactionRequest, "GET", f"{TRANSACTIONS}/{{id}}"),
    "transactions": Rpc(f"{SERVICE}ListTransactions", pb.ListTransactionsRequest, "GET", TRANSACTIONS),
    "entries": Rpc(f"{SERVICE}ListEntries", pb.ListEntriesRequest, "GET", "/v1/ledger/entries"),
    "balance": Rpc(f"{SERVICE}GetBalance", pb.GetBalanceRequest, "GET", f"{ACCOUNTS}/{{account_id}}/balance"),
    "balances": Rpc(
        f"{SERVICE}BatchGetBalances", pb.BatchGetBalancesRequest, "POST", "/v1/ledger/balances:batchGet"
    ),
    "statement": Rpc(
        f"{SERVICE}GetAccountStatement",
        pb.GetAccountStatementRequest,
        "GET",
        f"{ACCOUNTS}/{{account_id}}/statement",
    ),
    "trial balance": Rpc(
        f"{SERVICE}GetTrialBalance", pb.GetTrialBalanceRequest, "GET", "/v1/ledger/trial_balance"
    ),
}
MINE: dict[str, Any] = {"merchant_id": "@merchant"}
CASH = MINE | {"account_id": "cash"}
LATE = {"start_time": "2030-01-02T00:00:00Z", "end_time": "2030-01-01T23:59:59.999999Z"}
PAGED = {"accounts": MINE, "transactions": MINE, "entries": CASH, "statement": CASH, "trial balance": MINE}
INVALID = "VALIDATION_FAILED"

# An RPC, a request, and the reason and field of the refusal; `@` is a thing of the test's own.
CASES: list[tuple[str, dict[str, Any], str, str]] = [
    *((rpc, {"account_id": "cash"}, INVALID, "merchant_id") for rpc in ("account", "balance", "statement")),
    *((rpc, {}, INVALID, "merchant_id") for rpc in ("accounts", "transactions", "trial balance", "balances")),
    *(
        (rpc, CASH | {"account_id": "a b"}, INVALID, "account_id")
        for rpc in ("account", "balance", "entries")
    ),
    *(
        (rpc, CASH | {"account_id": "nobody"}, "NOT_FOUND", "")
        for rpc in ("account", "balance", "statement", "entries")
    ),
    *(
        (rpc, CASH | {"merchant_id": "@foreigner"}, "NOT_FOUND", "")
        for rpc in ("account", "balance", "statement", "entries")
    ),
    *((rpc, {"account_id": f"acc_{'0' * 32}"}, "NOT_FOUND", "") for rpc in ("account", "balance", "entries")),
    ("entries", {"account_id": "cash"}, INVALID, "merchant_id"),
    ("entries", MINE, INVALID, "account_id"),
    ("entries", {"transaction_id": NEVER}, "NOT_FOUND", ""),
    ("entries", {"transaction_id": "nonsense"}, "NOT_FOUND", ""),
    ("entries", {"transaction_id": "@never"}, "NOT_FOUND", ""),
    ("entries", {"transaction_id": "@transaction", "merchant_id": "@foreigner"}, "NOT_FOUND", ""),
    ("entries", {"transaction_id": "@transaction", "account_id": "a b"}, INVALID, "account_id"),
    ("transaction", {"id": "nonsense"}, "NOT_FOUND", ""),
    ("transaction", {"id": NEVER}, "NOT_FOUND", ""),
    ("transaction", {"id": "@never"}, "NOT_FOUND", ""),
    ("transaction", {"id": "@transaction", "merchant_id": "@foreigner"}, "NOT_FOUND", ""),
    ("transactions", MINE | {"reference": "r" * 201}, INVALID, "reference"),
    ("transactions", MINE | {"reference": NUL}, INVALID, "reference"),
    ("accounts", MINE | {"currency": "usd"}, INVALID, "currency"),
    ("accounts", MINE | {"currency": "XAU"}, INVALID, "currency"),
    ("balances", MINE, INVALID, "account_ids"),
    ("balances", MINE | {"account_ids": ["cash", "a b"]}, INVALID, "account_ids[1]"),
    ("balances", MINE | {"account_ids": ["cash", ""]}, INVALID, "account_ids[1]"),
    ("balances", MINE | {"account_ids": ["cash", "nobody"]}, "NOT_FOUND", ""),
    ("statement", CASH | LATE, INVALID, "start_time"),
    *((rpc, query | {"page_size": -1}, INVALID, "page_size") for rpc, query in PAGED.items()),
    *(
        (rpc, query | {"page_size": 5_001 if rpc == "trial balance" else 501}, INVALID, "page_size")
        for rpc, query in PAGED.items()
    ),
    *(
        (rpc, query | {"page_token": token}, INVALID, "page_token")
        for rpc, query in PAGED.items()
        for token in ("!!!", "AAAA", "A" * 40, "A" * 513, "@token")
    ),
]
# What JSON has no way to say, or says otherwise.
OVER_GRPC: list[tuple[str, dict[str, Any], str]] = [
    ("accounts", {"type": 99}, "type"),
    ("transactions", {"status": 99}, "status"),
    ("entries", {"account_id": "cash", "order": 99}, "order"),
    ("accounts", {"metadata": {"": "v"}}, "metadata"),
    ("accounts", {"metadata": {"k" * 41: "v"}}, "metadata"),
    ("transactions", {"metadata": {"k": "v" * 501}}, "metadata"),
    ("transactions", {"metadata": {"k": NUL}}, "metadata"),
    ("transactions", {"metadata": {f"k{number}": "" for number in range(51)}}, "metadata"),
    ("account", {"account_id": NUL}, "account_id"),
    ("transaction", {}, "id"),
]
QUERIES = {
    "/v1/ledger/accounts?type=gold": "type",
    "/v1/ledger/accounts?metadata[]=v": "metadata",
    "/v1/ledger/accounts?metadata=v": "metadata",
    "/v1/ledger/transactions?status=lost": "status",
    "/v1/ledger/entries?account_id=cash&order=upwards": "order",
    "/v1/ledger/trial_balance?as_of=yesterday": "as_of",
    "/v1/ledger/accounts/cash/balance?as_of=2030-01-01": "as_of",
    "/v1/ledger/accounts/cash/statement?start_time=0": "start_time",
}


@pytest.fixture(scope="module")
def shop(address: str) -> Iterator[LedgerCaller]:
    with opened_books(address, f"shop_{uuid4().hex}") as one:
        yield one


@pytest.fixture(scope="module")
def things(shop: LedgerCaller, address: str) -> dict[str, str]:
    """What the names in the table stand for."""
    transaction_id = shop.post(("cash", 1), ("owed", -1)).id
    with LedgerCaller(address, f"foreigner_{uuid4().hex}") as foreigner:
        foreigner.account("theirs")
    token = shop.ledger.ListAccounts(
        pb.ListAccountsRequest(merchant_id=shop.merchant_id, currency="USD", page_size=1)
    ).next_page_token
    return {
        "merchant": shop.merchant_id,
        "foreigner": foreigner.merchant_id,
        "transaction": transaction_id,
        "never": never_given(transaction_id),
        "token": token,
    }


def meant(request: Mapping[str, Any], things: Mapping[str, str]) -> dict[str, Any]:
    return {
        name: things[value[1:]] if isinstance(value, str) and value.startswith("@") else value
        for name, value in request.items()
    }


def assert_refused(refusal: Refusal, reason: str, field: str) -> None:
    assert (refusal.code, refusal.reason) == (CODES[reason], reason)
    assert len(refusal.fields) == bool(field)
    assert all(named.startswith(field) for named in refusal.fields)


@pytest.mark.parametrize(("rpc", "request_", "reason", "field"), CASES)
def test_a_bad_read(
    shop: LedgerCaller,
    http: HttpCaller,
    things: dict[str, str],
    rpc: str,
    request_: dict[str, Any],
    reason: str,
    field: str,
) -> None:
    request, called = meant(request_, things), RPCS[rpc]
    refusal = over_grpc(shop.channel, called.path, payload_of(called, request))
    assert_refused(refusal, reason, field)
    again = over_http(http, called, request)
    assert (again.code, again.reason, again.fields) == (refusal.code, refusal.reason, refusal.fields)


@pytest.mark.parametrize(("rpc", "request_", "field"), OVER_GRPC)
def test_a_bad_read_over_grpc(shop: LedgerCaller, rpc: str, request_: dict[str, Any], field: str) -> None:
    request = request_ | {"merchant_id": shop.merchant_id}
    refusal = over_grpc(shop.channel, RPCS[rpc].path, payload_of(RPCS[rpc], request))
    assert_refused(refusal, INVALID, field)


@pytest.mark.parametrize("path", QUERIES)
def test_a_bad_query(shop: LedgerCaller, http: HttpCaller, path: str) -> None:
    reply = http.get(f"{path}&merchant_id={shop.merchant_id}")
    assert (reply.error, reply.fields[0][: len(QUERIES[path])]) == (
        (400, "INVALID_ARGUMENT", INVALID),
        QUERIES[path],
    )


def test_a_token_belongs_to_its_filters(shop: LedgerCaller) -> None:
    """Every filter is part of the query that a token continues; the size of the page is not."""
    shop.post(("cash", 1), ("owed", -1))
    asked: list[tuple[Any, Any, list[dict[str, Any]]]] = [
        (
            shop.ledger.ListAccounts,
            pb.ListAccountsRequest(merchant_id=shop.merchant_id, page_size=1),
            [{"type": 1}, {"currency": "USD"}, {"metadata": {"a": "b"}}],
        ),
        (
            shop.ledger.ListTransactions,
            pb.ListTransactionsRequest(merchant_id=shop.merchant_id, page_size=1),
            [{"status": 1}, {"reference": "r"}, {"metadata": {"a": "b"}}],
        ),
        (
            shop.ledger.ListEntries,
            pb.ListEntriesRequest(merchant_id=shop.merchant_id, account_id="cash", page_size=1),
            [{"order": pb.ENTRY_ORDER_NEWEST_FIRST}, {"account_id": "owed"}],
        ),
        (
            shop.ledger.GetAccountStatement,
            pb.GetAccountStatementRequest(merchant_id=shop.merchant_id, account_id="cash", page_size=1),
            [{"account_id": "owed"}, {"end_time": "2100-01-01T00:00:00Z"}],
        ),
        (
            shop.ledger.GetTrialBalance,
            pb.GetTrialBalanceRequest(merchant_id=shop.merchant_id, page_size=1),
            [{"as_of": "2100-01-01T00:00:00Z"}],
        ),
    ]
    for rpc, request, others in asked:
        request.page_token = rpc(request).next_page_token
        assert request.page_token
        request.page_size = 2
        shop.reply(rpc, request)
        for other in others:
            changed = type(request)()
            changed.CopyFrom(request)
            for name, value in other.items():
                if isinstance(value, dict):
                    changed.metadata.update(value)
                elif name.endswith(("time", "as_of")):
                    getattr(changed, name).FromJsonString(value)
                else:
                    setattr(changed, name, value)
            with pytest.raises(ApiError, match="VALIDATION_FAILED") as refused:
                shop.reply(rpc, changed)
            assert refused.value.fields == ["page_token"]


def test_a_foreign_transaction_is_refused_in_the_words_for_one_that_never_was(
    shop: LedgerCaller, things: dict[str, str]
) -> None:
    asked: list[tuple[Any, Any, str]] = [
        (shop.ledger.GetTransaction, pb.GetTransactionRequest, "id"),
        (shop.ledger.ListEntries, pb.ListEntriesRequest, "transaction_id"),
    ]
    for rpc, request, name in asked:
        words = set()
        for transaction_id, merchant_id in (
            (things["transaction"], things["foreigner"]),
            (things["never"], ""),
            (NEVER, ""),
        ):
            with pytest.raises(ApiError) as refused:
                shop.reply(rpc, request(**{name: transaction_id, "merchant_id": merchant_id}))
            words.add(refused.value.message.replace(transaction_id, "ID"))
        assert words == {"no transaction with id 'ID'"}


def test_reading_writes_nothing(shop: LedgerCaller, stack: Stack, http: HttpCaller) -> None:
    with nothing_written(stack):
        for query in ("accounts?", "transactions?", "entries?account_id=cash&", "trial_balance?"):
            assert http.get(f"/v1/ledger/{query}merchant_id={shop.merchant_id}").status == 200
        unknown = http.get("/v1/ledger/accounts?merchant_id=unheard-of")
        assert (unknown.status, unknown.json["accounts"]) == (200, [])
        assert http.get("/v1/ledger/transactions?merchant_id=unheard-of").json["transactions"] == []
