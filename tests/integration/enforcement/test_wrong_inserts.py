"""Rows that do not add up, do not belong or do not go on where the account stands: nobody can insert them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.ledger_attempts import (
    CHECK,
    NOT_CONTINUED,
    NOT_SERIALIZABLE,
    NOT_WHOLE,
    UNBALANCED,
    UNIQUE,
    Attempt,
    Books,
    named,
    refuse,
)
from tests.ledger_rows import (
    EARLIER,
    FIRST,
    LATER,
    MERCHANT,
    Statement,
    account,
    entry,
    insert,
    transaction,
)

# What comes next in the books of open_books and adds up: 50 more from cash to owed.
CASH: dict[str, Any] = entry("cash", 3, "next", 1, 50, posted_after=150, pending_debits_after=10)
OWED: dict[str, Any] = entry("owed", 3, "next", 2, -50, posted_after=-150, pending_credits_after=10)
EVEN_LATER = {"recorded_at": LATER + timedelta(seconds=1)}
BETWEEN = LATER - timedelta(seconds=1)
NEXT = insert("transactions", transaction("next"))
EVENT: dict[str, Any] = {
    "merchant_id": MERCHANT,
    "aggregate_id": "pi_1",
    "aggregate_version": 1,
    "bucket": 0,
    "type": "payment_intent.created",
    "schema_version": 1,
    "payload": b"",
    "occurred_at": FIRST,
    "actor": "test",
    "correlation_id": "",
    "causation_id": "command",
    "causation_seq": 0,
    "traceparent": "",
}


def _entries(cash: dict[str, Any], owed: dict[str, Any]) -> tuple[Statement, ...]:
    """The next transaction with something changed in its entries."""
    return (NEXT, insert("entries", CASH | cash, OWED | owed))


def _with_back(cash: dict[str, Any], recorded_at: datetime = LATER) -> tuple[Statement, ...]:
    """The next transaction and one that takes 20 of it back, with something changed in its first entry."""
    back = {"account_version": 4, "transaction_id": "back", "recorded_at": recorded_at}
    return (
        insert("transactions", transaction("next"), transaction("back", recorded_at=recorded_at)),
        insert(
            "entries",
            CASH,
            OWED,
            CASH | back | {"amount": -20, "posted_after": 130} | cash,
            OWED | back | {"amount": 20, "posted_after": -130},
        ),
    )


def _announced(entry_count: int) -> Statement:
    return insert("transactions", transaction("next", entry_count=entry_count))


def _from_till(**columns: Any) -> dict[str, Any]:
    """A credit of 5 on the account that must not be overdrawn, which holds nothing."""
    return entry("till", 1, "next", 1, -5, **columns)


def _twice(column: str, value: str) -> tuple[Statement, ...]:
    return (insert("transactions", *(transaction(one, **{column: value}) for one in ("next", "after next"))),)


HOLD = {"layer": "PENDING"}
EURO = {"currency": "EUR"}
OTHERS = {"merchant_id": "other"}
RELEASE = {"layer": "PENDING", "releases": True}

WRONG_INSERTS = (
    Attempt("unbalanced", UNBALANCED, _entries({"amount": 51, "posted_after": 151}, {})),
    Attempt("balanced over currencies only", UNBALANCED, _entries({}, EURO | {"account_id": "euros"})),
    Attempt("balanced over layers only", UNBALANCED, _entries({}, HOLD | {"pending_credits_after": 60})),
    Attempt("over two statements", UNBALANCED, (NEXT, insert("entries", CASH), insert("entries", OWED))),
    Attempt(
        "over two statements that balance",
        NOT_WHOLE,
        (
            _announced(4),
            insert("entries", CASH, OWED),
            insert(
                "entries",
                CASH | {"account_version": 4, "position": 3, "posted_after": 200},
                OWED | {"account_version": 4, "position": 4, "posted_after": -200},
            ),
        ),
    ),
    Attempt("fewer entries than announced", NOT_WHOLE, (_announced(3), insert("entries", CASH, OWED))),
    Attempt("missing transaction", NOT_WHOLE, (insert("entries", CASH, OWED),)),
    Attempt("foreign merchant's transaction", NOT_WHOLE, _entries(OTHERS, OTHERS)),
    Attempt(
        "added to a transaction",
        NOT_WHOLE,
        (
            insert(
                "entries",
                CASH | {"transaction_id": "posted", "position": 3, "recorded_at": FIRST},
                OWED | {"transaction_id": "posted", "position": 4, "recorded_at": FIRST},
            ),
        ),
    ),
    Attempt("position skipped", NOT_WHOLE, _entries({}, {"position": 3})),
    Attempt("position left out", NOT_WHOLE, (_announced(3), insert("entries", CASH, OWED | {"position": 3}))),
    Attempt("position taken", UNIQUE, _entries({}, {"position": 1})),
    Attempt("another time than the transaction's", NOT_WHOLE, _entries(EVEN_LATER, EVEN_LATER)),
    Attempt("another time than the other's", NOT_WHOLE, _entries(EVEN_LATER, {})),
    Attempt(
        "time goes back",
        NOT_CONTINUED,
        (
            insert("transactions", transaction("next", recorded_at=EARLIER)),
            insert("entries", CASH | {"recorded_at": EARLIER}, OWED | {"recorded_at": EARLIER}),
        ),
    ),
    Attempt("version repeated", UNIQUE, _entries({"account_version": 2}, {})),
    Attempt("version skipped", NOT_CONTINUED, _entries({"account_version": 4}, {})),
    Attempt("version skipped between two", NOT_CONTINUED, _with_back({"account_version": 5})),
    Attempt("wrong debits behind right ones", NOT_CONTINUED, _with_back({"pending_debits_after": 11})),
    Attempt("wrong credits behind right ones", NOT_CONTINUED, _with_back({"pending_credits_after": 1})),
    Attempt("wrong posted_after behind a right one", NOT_CONTINUED, _with_back({"posted_after": 131})),
    Attempt("time goes back between two", NOT_CONTINUED, _with_back({}, BETWEEN)),
    Attempt("wrong posted_after", NOT_CONTINUED, _entries({"posted_after": 151}, {})),
    Attempt("wrong pending_debits_after", NOT_CONTINUED, _entries({"pending_debits_after": 11}, {})),
    Attempt("wrong pending_credits_after", NOT_CONTINUED, _entries({}, {"pending_credits_after": 9})),
    Attempt("not the account's currency", NOT_CONTINUED, _entries(EURO, EURO)),
    Attempt("missing account", NOT_CONTINUED, _entries({"account_id": "none", "account_version": 1}, {})),
    Attempt("zero amount", CHECK, _entries({"amount": 0}, {})),
    Attempt("posted entry that releases", CHECK, _entries({"releases": True}, {})),
    Attempt(
        "more released than held",
        CHECK,
        _entries(
            RELEASE | {"amount": -11, "posted_after": 100, "pending_debits_after": -1},
            RELEASE | {"amount": 11, "posted_after": -100, "pending_credits_after": -1},
        ),
    ),
    Attempt(
        "overdraft",
        CHECK,
        (NEXT, insert("entries", _from_till(posted_after=-5), OWED | {"amount": 5, "posted_after": -95})),
    ),
    Attempt(
        "overdraft by a hold",
        CHECK,
        (
            insert("transactions", transaction("next", status="PENDING")),
            insert(
                "entries",
                _from_till(pending_credits_after=5, **HOLD),
                OWED | HOLD | {"amount": 5, "posted_after": -100, "pending_debits_after": 5},
            ),
        ),
    ),
    Attempt("transaction of one entry", CHECK, (_announced(1),)),
    Attempt("transaction id used again", UNIQUE, (insert("transactions", transaction("posted")),)),
    Attempt("account opened twice", UNIQUE, (insert("accounts", account("cash", "ASSET")),)),
    Attempt("second resolution", UNIQUE, _twice("resolves_transaction_id", "hold")),
    Attempt("second reversal", UNIQUE, _twice("reverses_transaction_id", "posted")),
    Attempt("second use of a reference", UNIQUE, _twice("reference", "order-1")),
    Attempt("event version taken", UNIQUE, (insert("events", EVENT, EVENT | {"causation_id": "other"}),)),
    Attempt("command taken", UNIQUE, (insert("events", EVENT, EVENT | {"aggregate_id": "pi_2"}),)),
    Attempt("event outside SERIALIZABLE", NOT_SERIALIZABLE, (insert("events", EVENT),), "REPEATABLE READ"),
)


@named(WRONG_INSERTS)
def test_the_application_cannot(books: Books, attempt: Attempt) -> None:
    refuse(books, books.application, attempt)


@named(WRONG_INSERTS)
def test_not_even_the_owner_can(books: Books, attempt: Attempt) -> None:
    refuse(books, books.owner, attempt)
