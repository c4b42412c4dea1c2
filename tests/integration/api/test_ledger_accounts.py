"""Accounts of a caller's own: what may be opened, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from payflow.v1 import ledger_pb2 as pb
from tests.http_payments import HttpCaller
from tests.integration.api.ledger_refusals import Json, nothing_written, refused
from tests.integration.api.refusals import http_refusal
from tests.ledger_caller import LedgerCaller
from tests.payments import ApiError
from tests.plain_messages import plain
from tests.stack import Stack

KEY_MAX, VALUE_MAX, KEYS_MAX = 40, 500, 50
FULL = {f"{number:0{KEY_MAX}}": "v" * VALUE_MAX for number in range(KEYS_MAX)}


def get(books: LedgerCaller, account_id: str, merchant_id: str = "") -> Any:
    request = pb.GetAccountRequest(account_id=account_id, merchant_id=merchant_id)
    return books.reply(books.ledger.GetAccount, request).message


def test_an_opened_account_is_answered_whole_and_read_back(books: LedgerCaller) -> None:
    asked = {"name": "Petty cash", "metadata": {"branch": "7"}}
    account = books.account("shop/petty:cash_1.0-A", "ASSET", "KWD", False, **asked)
    opened = plain(account)
    assert abs(opened.pop("created_at") - datetime.now(UTC).timestamp() * 1e6) < 3_600e6
    assert opened == {
        "id": "shop/petty:cash_1.0-A",
        "merchant_id": books.merchant_id,
        "type": "ASSET",
        "currency": "KWD",
        "allow_negative": False,
        **asked,
    }
    assert get(books, account.id, books.merchant_id) == account
    assert books.sums(account.id) == (0, 0, 0, 0, 0)


def test_over_http_it_is_created_with_lower_case_enums(books: LedgerCaller, http: HttpCaller) -> None:
    body = {"id": "drawer", "merchant_id": books.merchant_id, "type": "asset", "currency": "USD"}
    reply = http.post("/v1/ledger/accounts", body)
    assert reply.status == 201
    opened = reply.json
    assert {name: opened[name] for name in body} == body
    assert opened["created_at"].endswith("Z")
    read = http.get(f"/v1/ledger/accounts/drawer?merchant_id={books.merchant_id}")
    assert (read.status, read.json) == (200, opened)


def test_an_id_is_made_where_none_is_given_and_finds_its_merchant(books: LedgerCaller) -> None:
    first, second = books.account(), books.account()
    assert first.id != second.id
    for account in (first, second):
        assert account.id.startswith("acc_")
        assert get(books, account.id) == account
    with pytest.raises(ApiError, match="merchant_id"):
        get(books, "cash")


def test_a_merchant_is_made_with_its_first_account(caller: LedgerCaller, address: str) -> None:
    with LedgerCaller(address, caller.merchant_id) as books:
        account = books.account("cash")
        assert get(books, "cash", caller.merchant_id) == account


@pytest.mark.parametrize("kind", ["ASSET", "LIABILITY", "EQUITY", "REVENUE", "EXPENSE"])
def test_available_is_in_the_accounts_normal_direction(books: LedgerCaller, kind: str) -> None:
    account = books.account("one", kind, negative=False)
    assert account.type == pb.AccountType.Value(f"ACCOUNT_TYPE_{kind}")
    grows = 1 if kind in ("ASSET", "EXPENSE") else -1
    with pytest.raises(ApiError, match="INSUFFICIENT_BALANCE"):
        books.post(("one", -grows), ("cash", grows))
    books.post(("one", 5 * grows), ("cash", -5 * grows))
    books.hold(("one", -2 * grows), ("cash", 2 * grows))
    books.hold(("one", 9 * grows), ("cash", -9 * grows))
    pending = (9, 2) if grows == 1 else (2, 9)
    assert books.sums("one") == (5 * grows, *pending, 3, 3)


def test_the_same_id_is_another_account_in_another_book(books: LedgerCaller, address: str) -> None:
    with LedgerCaller(address, f"{books.merchant_id}_other") as others:
        others.account("cash", "LIABILITY", "EUR")
        books.post(("cash", 100), ("owed", -100))
        assert others.sums("cash") == (0, 0, 0, 0, 0)
        assert others.balance("cash").currency == "EUR"


def test_an_id_is_taken_once(books: LedgerCaller, http: HttpCaller, stack: Stack) -> None:
    request = {"id": "cash", "merchant_id": books.merchant_id, "type": "asset", "currency": "USD"}
    with nothing_written(stack):
        refusal = refused(books, http, "open", request)
    assert (refusal.reason, refusal.fields) == ("ACCOUNT_EXISTS", ())


@pytest.mark.parametrize(
    "wanted",
    [
        {"id": "i" * 128},
        {"name": "n" * 200},
        {"name": "ü" * 200},
        {"metadata": FULL},
        {"metadata": {"empty": ""}},
        {"currency": "JPY"},
    ],
    ids=["id", "name", "letters, not bytes", "metadata", "empty value", "no decimals"],
)
def test_what_is_just_allowed(books: LedgerCaller, wanted: Json) -> None:
    asked: Json = {
        "id": "new",
        "merchant_id": books.merchant_id,
        "type": "ACCOUNT_TYPE_ASSET",
        "currency": "USD",
    }
    account = books.reply(books.ledger.CreateAccount, pb.CreateAccountRequest(**(asked | wanted))).message
    assert {name: plain(account)[name] for name in wanted} == wanted
    assert get(books, account.id, books.merchant_id) == account


BAD: list[tuple[str, Json, str]] = [
    ("a payment's account", {"id": "sys:bank:simulator:USD"}, "id"),
    ("PayFlow's prefix", {"id": "sys:"}, "id"),
    ("a long id", {"id": "i" * 129}, "id"),
    ("a space in the id", {"id": "my cash"}, "id"),
    ("NUL in the id", {"id": "a\x00b"}, "id"),
    ("no type", {"type": "unspecified"}, "type"),
    ("no currency", {"currency": ""}, "currency"),
    ("lower case", {"currency": "usd"}, "currency"),
    ("not a currency", {"currency": "ZZZ"}, "currency"),
    ("gold", {"currency": "XAU"}, "currency"),
    ("a long name", {"name": "n" * 201}, "name"),
    ("NUL in the name", {"name": "a\x00b"}, "name"),
    ("too many keys", {"metadata": FULL | {"one more": ""}}, "metadata"),
    ("a long key", {"metadata": {"k" * 41: ""}}, "metadata"),
    ("an empty key", {"metadata": {"": "value"}}, "metadata"),
    ("a long value", {"metadata": {"key": "v" * 501}}, "metadata[key]"),
    ("no merchant", {"merchant_id": ""}, "merchant_id"),
    ("not a merchant", {"merchant_id": "no/body"}, "merchant_id"),
]


@pytest.mark.parametrize(("change", "field"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_a_bad_field(books: LedgerCaller, http: HttpCaller, stack: Stack, change: Json, field: str) -> None:
    good = {"id": "new", "merchant_id": books.merchant_id, "type": "asset", "currency": "USD"}
    with nothing_written(stack):
        refusal = refused(books, http, "open", good | change)
    assert refusal.reason == "VALIDATION_FAILED"
    assert [named.partition(" ")[0] for named in refusal.fields] == [field]


def test_a_type_that_is_none(books: LedgerCaller, http: HttpCaller) -> None:
    request = pb.CreateAccountRequest(merchant_id=books.merchant_id, currency="USD")
    for number in (0, 6, 99):
        request.type = number  # type: ignore[assignment]
        with pytest.raises(ApiError, match="VALIDATION_FAILED") as error:
            books.reply(books.ledger.CreateAccount, request)
        assert error.value.fields == ["type"]
    body = {"merchant_id": books.merchant_id, "currency": "USD", "type": "cash"}
    assert http_refusal(http.post("/v1/ledger/accounts", body)).fields == ("type",)
