"""Postings of a caller's own: what is answered, what moves, and every refusal of the contract."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from payflow.v1 import ledger_pb2 as pb
from tests.http_payments import HttpCaller
from tests.integration.api.ledger_refusals import CODES, Json, grpc_form, lines, nothing_written, refused
from tests.ledger_caller import LedgerCaller
from tests.payments import ApiError
from tests.plain_messages import plain
from tests.stack import Stack

INT64_MAX = 2**63 - 1
LONG_AGO = datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


def test_a_posting_is_answered_with_everything_that_it_did(books: LedgerCaller) -> None:
    books.post(("cash", 40), ("owed", -40))
    posted = books.post(
        ("cash", 100),
        ("owed", -70),
        ("cash", -30),
        description="Sale 7",
        reference="sale-7",
        effective_at=LONG_AGO,
        metadata={"till": "2"},
    )
    assert posted.id.startswith("txn_")
    told = plain(posted)
    entries = told.pop("entries")
    created_at = told.pop("created_at")
    assert abs(created_at - datetime.now(UTC).timestamp() * 1e6) < 3_600e6
    assert told == {
        "id": posted.id,
        "merchant_id": books.merchant_id,
        "description": "Sale 7",
        "reference": "sale-7",
        "status": "POSTED",
        "effective_at": round(LONG_AGO.timestamp() * 1e6),
        "metadata": {"till": "2"},
        "expires_at": None,
        "reverses_transaction_id": "",
        "resolves_transaction_id": "",
        "reversed_by_transaction_id": "",
        "resolved_by_transaction_id": "",
    }
    sums = ("position", "account_id", "amount", "account_version", "balance_after", "available_after")
    assert [tuple(entry[name] for name in sums) for entry in entries] == [
        (1, "cash", 100, 2, 140, 140),
        (2, "owed", -70, 2, -110, 110),
        (3, "cash", -30, 3, 110, 110),
    ]
    for entry in entries:
        assert (entry["layer"], entry["currency"], entry["releases"]) == ("POSTED", "USD", False)
        assert (entry["transaction_id"], entry["recorded_at"]) == (posted.id, created_at)
        assert entry["posted_after"] == entry["balance_after"]
        assert (entry["pending_debits_after"], entry["pending_credits_after"]) == (0, 0)
    assert books.transaction(posted.id) == posted


def test_the_response_says_what_a_second_read_would(books: LedgerCaller) -> None:
    posted = books.post(("cash", 100), ("owed", -100))
    for entry in posted.entries:
        balance = books.balance(entry.account_id)
        assert (balance.posted, balance.available) == (entry.posted_after, entry.available_after)
        assert (balance.version, balance.as_of) == (entry.account_version, entry.recorded_at)
    trial = books.trial_balance()
    assert [(one.currency, one.debits, one.credits, one.difference) for one in trial.totals] == [
        ("EUR", 0, 0, 0),
        ("USD", 100, 100, 0),
    ]


def test_money_changes_currency_through_two_accounts_of_each(books: LedgerCaller) -> None:
    posted = books.post(
        ("cash", 110), ("euros", -100, "EUR"), ("euros_owed", 100, "EUR"), ("owed", -110, "USD")
    )
    assert [entry.currency for entry in posted.entries] == ["USD", "EUR", "EUR", "USD"]
    assert books.balance("euros").posted == -100
    assert books.balance("cash").posted == 110


@pytest.mark.parametrize("count", [2, 100])
def test_as_few_and_as_many_entries_as_there_may_be(books: LedgerCaller, count: int) -> None:
    posted = books.post(*[("cash", 1), ("owed", -1)] * (count // 2))
    assert [entry.position for entry in posted.entries] == list(range(1, count + 1))
    assert posted.entries[-1].account_version == count // 2
    assert books.transaction(posted.id) == posted


def test_an_account_may_dip_below_zero_inside_a_transaction(books: LedgerCaller) -> None:
    posted = books.post(("till", -5), ("till", 5))
    assert [entry.available_after for entry in posted.entries] == [-5, 0]


@pytest.mark.parametrize("text", ["d" * 1_000, "\U0001f4b6" * 1_000], ids=["ASCII", "four bytes each"])
def test_the_longest_texts(books: LedgerCaller, text: str) -> None:
    metadata = {f"{number:0>40}": text[:500] for number in range(50)}
    posted = books.post(("cash", 1), ("owed", -1), description=text, metadata=metadata)
    assert (posted.description, dict(posted.metadata)) == (text, metadata)
    assert books.transaction(posted.id) == posted


def test_a_reference_is_unique_in_its_merchant(books: LedgerCaller, address: str, stack: Stack) -> None:
    first = books.post(("cash", 1), ("owed", -1), reference="order-1")
    with nothing_written(stack), pytest.raises(ApiError) as error:
        books.hold(("cash", 2), ("owed", -2), reference="order-1")
    assert (error.value.code.name, error.value.reason) == ("ALREADY_EXISTS", "TRANSACTION_EXISTS")
    assert error.value.metadata == {"transaction_id": first.id}
    books.post(("cash", 1), ("owed", -1), reference="Order-1")
    books.post(("cash", 1), ("owed", -1))
    books.post(("cash", 1), ("owed", -1))
    with LedgerCaller(address, f"{books.merchant_id}_other") as others:
        others.account("cash")
        assert others.post(("cash", 1), ("cash", -1), reference="order-1").reference == "order-1"


def test_a_posting_waits_for_versions_that_have_not_moved(books: LedgerCaller) -> None:
    moved = books.post(("cash", 1), ("owed", -1), expected_versions={"cash": 0, "owed": 0, "till": 0})
    versions = {entry.account_id: entry.account_version for entry in moved.entries}
    books.post(("cash", 1), ("owed", -1), expected_versions=versions)
    with pytest.raises(ApiError) as error:
        books.post(("cash", 1), ("owed", -1), expected_versions={"till": 0, **versions})
    assert (error.value.code.name, error.value.reason) == ("ABORTED", "CONCURRENT_UPDATE")
    assert error.value.metadata in ({"account_id": name, "version": "2"} for name in ("cash", "owed"))
    assert error.value.retry_after_s is None
    assert books.sums("cash") == (2, 0, 0, 2, 2)


def test_a_hundred_expected_versions(books: LedgerCaller) -> None:
    names = [f"account_{number}" for number in range(100)]
    for name in names:
        books.account(name)
    books.post(("cash", 1), ("owed", -1), expected_versions=dict.fromkeys(names, 0))


def test_a_balance_that_does_not_suffice(books: LedgerCaller, stack: Stack) -> None:
    books.post(("till", 10), ("owed", -10))
    with nothing_written(stack), pytest.raises(ApiError) as error:
        books.post(("till", -11), ("owed", 11))
    assert (error.value.code.name, error.value.reason) == ("FAILED_PRECONDITION", "INSUFFICIENT_BALANCE")
    assert error.value.metadata["account_id"] == "till"
    assert books.post(("till", -10), ("owed", 10)).entries[0].available_after == 0


def test_an_accounts_sum_stays_in_64_bits_over_its_life(books: LedgerCaller, stack: Stack) -> None:
    books.post(("cash", INT64_MAX), ("owed", -INT64_MAX))
    for amount, last in ((1, INT64_MAX), (INT64_MAX, INT64_MAX)):
        with nothing_written(stack), pytest.raises(ApiError, match="VALIDATION_FAILED") as error:
            books.post(("sales", -amount), ("cash", amount))
        assert error.value.fields == ["entries[1].amount"]
        assert books.balance("cash").posted == last
    books.post(("cash", -INT64_MAX), ("owed", INT64_MAX))
    books.post(("cash", -INT64_MAX), ("owed", INT64_MAX))
    assert (books.balance("cash").posted, books.balance("owed").posted) == (-INT64_MAX, INT64_MAX)
    assert books.balance("owed").available == -INT64_MAX


@pytest.mark.parametrize(
    "entries",
    [
        [("cash", INT64_MAX), ("till", 1), ("owed", -INT64_MAX), ("sales", -1)],
        [("cash", INT64_MAX), ("cash", 1), ("cash", -INT64_MAX), ("cash", -1)],
    ],
    ids=["sum of debits", "one account"],
)
def test_a_transaction_stays_in_64_bits(
    books: LedgerCaller, stack: Stack, entries: list[tuple[str, int]]
) -> None:
    for pending in (False, True):
        with nothing_written(stack), pytest.raises(ApiError, match="VALIDATION_FAILED") as error:
            books.post(*entries, pending=pending)
        assert error.value.fields == ["entries[1].amount"]


def test_what_is_available_stays_in_64_bits(books: LedgerCaller, stack: Stack) -> None:
    books.post(("cash", -INT64_MAX), ("owed", INT64_MAX))
    for outflow in ([("sales", 1), ("cash", -1)], [("sales", -1), ("owed", 1)]):
        with nothing_written(stack), pytest.raises(ApiError, match="VALIDATION_FAILED") as error:
            books.hold(*outflow)
        assert error.value.fields == ["entries[1].amount"]
    books.hold(("cash", INT64_MAX), ("owed", -INT64_MAX))
    assert books.balance("cash").available == -INT64_MAX


def test_integers_of_64_bits_pass_over_http_as_numbers_and_as_strings(
    books: LedgerCaller, http: HttpCaller
) -> None:
    for amount in (INT64_MAX, str(-INT64_MAX)):
        body = {
            "merchant_id": books.merchant_id,
            "entries": [
                {"account_id": "cash", "amount": amount, "currency": "USD"},
                {"account_id": "owed", "amount": -int(amount), "currency": "USD"},
            ],
        }
        reply = http.post("/v1/ledger/transactions", body)
        assert reply.status == 201
        assert [entry["amount"] for entry in reply.json["entries"]] == [int(amount), -int(amount)]
        assert (reply.json["status"], reply.json["entries"][0]["layer"]) == ("posted", "posted")


def test_a_foreign_account_is_refused_in_the_words_for_none(books: LedgerCaller, address: str) -> None:
    with LedgerCaller(address, f"{books.merchant_id}_other") as others:
        others.account("theirs")
    words = []
    for account_id in ("theirs", "nobodys"):
        with pytest.raises(ApiError, match="NOT_FOUND") as error:
            books.post(("cash", 1), (account_id, -1))
        words.append(error.value.message.replace(account_id, "ID"))
        with pytest.raises(ApiError, match="NOT_FOUND"):
            books.post(("cash", 1), ("owed", -1), expected_versions={account_id: 0})
    assert words[0] == words[1]


def test_a_time_outside_of_the_calendar(books: LedgerCaller) -> None:
    for name in ("effective_at", "expires_at"):
        request = books.posting(("cash", 1), ("owed", -1), pending=True)
        getattr(request, name).seconds = 253_402_300_800
        with pytest.raises(ApiError, match="VALIDATION_FAILED") as error:
            books.reply(books.ledger.PostTransaction, request)
        assert error.value.fields == [name]


GOOD = lines(("cash", 5), ("owed", -5))
YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).isoformat()
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()


def with_line(index: int, **change: object) -> Json:
    changed = [dict(line) for line in GOOD]
    changed[index] |= change
    return {"entries": changed}


BAD: list[tuple[str, Json, str, str]] = [
    ("no entries", {"entries": []}, "VALIDATION_FAILED", "entries"),
    ("one entry", {"entries": GOOD[:1]}, "VALIDATION_FAILED", "entries"),
    ("101 entries", {"entries": [*GOOD * 49, *lines(("cash", 1), ("cash", 1), ("owed", -2))]},
     "VALIDATION_FAILED", "entries"),
    ("zero", with_line(1, amount=0), "VALIDATION_FAILED", "entries[1].amount"),
    ("the least integer", with_line(0, amount=-(2**63)), "VALIDATION_FAILED", "entries[0].amount"),
    ("no amount", {"entries": [{"account_id": "cash", "currency": "USD"}, GOOD[1]]},
     "VALIDATION_FAILED", "entries[0].amount"),
    ("no account", with_line(1, account_id=""), "VALIDATION_FAILED", "entries[1].account_id"),
    ("not an account id", with_line(1, account_id="a b"), "VALIDATION_FAILED", "entries[1].account_id"),
    ("a payment's account", with_line(1, account_id="sys:bank:simulator:USD"), "VALIDATION_FAILED",
     "entries[1].account_id"),
    ("no currency", with_line(0, currency=""), "VALIDATION_FAILED", "entries[0].currency"),
    ("lower case", with_line(1, currency="usd"), "VALIDATION_FAILED", "entries[1].currency"),
    ("another currency", {"entries": lines(("cash", 5, "EUR"), ("euros", -5, "EUR"))},
     "CURRENCY_MISMATCH", "entries[0].currency"),
    ("out by one", with_line(1, amount=-4), "UNBALANCED_TRANSACTION", ""),
    ("balanced over two currencies only", {"entries": lines(("cash", 5), ("euros", -5, "EUR"))},
     "UNBALANCED_TRANSACTION", ""),
    ("nobody's account", with_line(1, account_id="nobodys"), "NOT_FOUND", ""),
    ("a held line of a posting", with_line(1, layer="pending"), "VALIDATION_FAILED", "entries[1].layer"),
    ("a posted line of a hold", with_line(0, layer="posted") | {"pending": True}, "VALIDATION_FAILED",
     "entries[0].layer"),
    ("a line that takes a hold back", with_line(1, releases=True), "VALIDATION_FAILED",
     "entries[1].releases"),
    ("a long description", {"description": "d" * 1_001}, "VALIDATION_FAILED", "description"),
    ("NUL in the description", {"description": "a\x00b"}, "VALIDATION_FAILED", "description"),
    ("NUL in the reference", {"reference": "a\x00b"}, "VALIDATION_FAILED", "reference"),
    ("51 keys", {"metadata": {f"{number}": "" for number in range(51)}}, "VALIDATION_FAILED", "metadata"),
    ("a long value", {"metadata": {"key": "v" * 501}}, "VALIDATION_FAILED", "metadata[key]"),
    ("a posting that lapses", {"expires_at": TOMORROW}, "VALIDATION_FAILED", "expires_at"),
    ("a hold that has lapsed", {"pending": True, "expires_at": YESTERDAY}, "VALIDATION_FAILED", "expires_at"),
    ("a moved account", {"expected_versions": {"cash": 1}}, "CONCURRENT_UPDATE", ""),
    ("a version below zero", {"expected_versions": {"cash": -1}}, "VALIDATION_FAILED",
     "expected_versions[cash]"),
    ("the version of nobody's account", {"expected_versions": {"nobodys": 0}}, "NOT_FOUND", ""),
    ("101 expected versions", {"expected_versions": {f"account_{number}": 0 for number in range(101)}},
     "VALIDATION_FAILED", "expected_versions"),
    ("no merchant", {"merchant_id": ""}, "VALIDATION_FAILED", "merchant_id"),
    ("too little in the till", {"entries": lines(("till", -1), ("cash", 1))}, "INSUFFICIENT_BALANCE", ""),
    ("too little to hold", {"entries": lines(("till", -1), ("cash", 1)), "pending": True},
     "INSUFFICIENT_BALANCE", ""),
]  # fmt: skip


@pytest.mark.parametrize(("change", "reason", "field"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_a_bad_posting(
    books: LedgerCaller, http: HttpCaller, stack: Stack, change: Json, reason: str, field: str
) -> None:
    good = {"merchant_id": books.merchant_id, "entries": GOOD}
    with nothing_written(stack):
        refusal = refused(books, http, "post", good | change)
    assert refusal.reason == reason
    assert refusal.fields == ((field,) if field else ())


def test_every_bad_posting_is_refused_alike_in_a_bulk(books: LedgerCaller) -> None:
    wanted = [grpc_form({"entries": GOOD} | change) for _, change, _, _ in BAD]
    requests = [ParseDict(one, pb.PostTransactionRequest()) for one in wanted]
    results = books.bulk(*requests)
    for index, (result, (name, _, reason, field)) in enumerate(zip(results, BAD, strict=True)):
        if name == "no merchant":
            assert result.HasField("transaction"), "it is the bulk that names the merchant"
            continue
        assert result.error.reason == reason in CODES, name
        assert result.error.field == (f"transactions[{index}].{field}" if field else ""), name
        assert result.error.message


@pytest.mark.parametrize(
    ("line", "pending", "field"),
    [
        ({"layer": pb.LAYER_PENDING}, False, "entries[1].layer"),
        ({"layer": pb.LAYER_POSTED}, True, "entries[1].layer"),
        ({"layer": pb.LAYER_PENDING, "releases": True}, True, "entries[1].releases"),
    ],
)
def test_a_line_does_not_say_otherwise_than_pending(
    books: LedgerCaller, line: dict[str, Any], pending: bool, field: str
) -> None:
    request = books.posting(("cash", 5), ("owed", -5), pending=pending)
    request.entries[1].MergeFrom(pb.Entry(**line))
    with pytest.raises(ApiError, match="VALIDATION_FAILED") as refused:
        books.reply(books.ledger.PostTransaction, request)
    assert refused.value.fields == [field]
