"""Holds are taken back whole and reversals are exact, each once, by a transaction that says so."""

from __future__ import annotations

from typing import Any

import psycopg

from tests.ledger_attempts import (
    CHECK,
    NEVER_CHANGED,
    NOT_A_HOLD_TAKEN_BACK,
    NOT_A_REVERSAL,
    UNIQUE,
    Attempt,
    Books,
    Draft,
    booked,
    draft,
    named,
    plain,
    refuse,
)
from tests.ledger_rows import LATER, Line, Statement, held, insert, released, run, transaction

BACK = (released("cash", -10), released("owed", 10))
PAID = (Line("cash", 10), Line("owed", -10))
RESOLVES: dict[str, Any] = {"resolves_transaction_id": "hold"}
REVERSES: dict[str, Any] = {"reverses_transaction_id": "posted"}
OPPOSITE = (Line("cash", -100), Line("owed", 100))
PENDING = {"status": "PENDING"}

RESOLVED = Statement("UPDATE transactions SET status = 'RESOLVED' WHERE id = 'hold'")
BOTH_RESOLVED = Statement("UPDATE transactions SET status = 'RESOLVED' WHERE status = 'PENDING'")
RELEASE = draft("next", *BACK, **RESOLVES)


def _resolution(name: str, *drafts: Draft) -> Attempt:
    """Drafts that are said to resolve the hold, and do not take it back as they should."""
    return Attempt(name, NOT_A_HOLD_TAKEN_BACK, (*booked(*drafts), RESOLVED))


def _reversal(name: str, *lines: Line) -> Attempt:
    return Attempt(name, NOT_A_REVERSAL, booked(draft("next", *lines, **REVERSES)))


def _other_hold(*lines: Line) -> Draft:
    return draft("other hold", *lines, **PENDING)


WRONG_RESOLUTIONS = (
    _resolution("part of a hold", draft("next", released("cash", -4), released("owed", 4), **RESOLVES)),
    _resolution(
        "more than the hold",
        _other_hold(held("cash", 5), held("owed", -5)),
        draft("next", released("cash", -15), released("owed", 15), **RESOLVES),
    ),
    _resolution(
        "a hold twice",
        _other_hold(held("cash", 10), held("owed", -10)),
        draft("next", *BACK, *BACK, **RESOLVES),
    ),
    _resolution(
        "another account's hold",
        _other_hold(held("cash", 10), held("earned", -10)),
        draft("next", released("cash", -10), released("earned", 10), **RESOLVES),
    ),
    _resolution("in other entries", draft("next", *[released("cash", -5)] * 2, BACK[1], **RESOLVES)),
    _resolution("a hold that stays", draft("next", *PAID, **RESOLVES)),
    _resolution("a hold on top", draft("next", *BACK, held("cash", 1), held("owed", -1), **RESOLVES)),
    _resolution("release of nothing in particular", draft("next", *BACK)),
    _resolution("release that reverses", draft("next", *OPPOSITE, *BACK, **REVERSES)),
    _resolution("of what is posted", draft("next", *BACK, resolves_transaction_id="posted")),
    _resolution("of a transaction that is not there", draft("next", *BACK, resolves_transaction_id="none")),
    _resolution("of itself", draft("next", *BACK, resolves_transaction_id="next")),
    Attempt("by a transaction that does not say so", NOT_A_HOLD_TAKEN_BACK, booked(draft("next", *BACK))),
    Attempt("without an end of the hold", NOT_A_HOLD_TAKEN_BACK, booked(RELEASE)),
    Attempt(
        "by a transaction without entries",
        NOT_A_HOLD_TAKEN_BACK,
        (insert("transactions", transaction("next", **RESOLVES)), RESOLVED),
    ),
    Attempt(
        "of a hold without entries, by none",
        NOT_A_HOLD_TAKEN_BACK,
        (
            insert("transactions", transaction("empty", **PENDING)),
            insert("transactions", transaction("next", resolves_transaction_id="empty")),
            *plain("UPDATE transactions SET status = 'RESOLVED' WHERE id = 'empty'"),
        ),
    ),
    Attempt(
        "of a hold that cancels out",
        NOT_A_HOLD_TAKEN_BACK,
        (
            *booked(
                _other_hold(held("cash", 7), held("cash", -7)),
                draft("next", *PAID, resolves_transaction_id="other hold"),
            ),
            *plain("UPDATE transactions SET status = 'RESOLVED' WHERE id = 'other hold'"),
        ),
    ),
    Attempt(
        "by a hold", CHECK, booked(draft("next", held("cash", 1), held("owed", -1), **PENDING, **RESOLVES))
    ),
    Attempt("and reversal in one", CHECK, booked(draft("next", *BACK, **RESOLVES, **REVERSES))),
    Attempt("by two", UNIQUE, (*booked(RELEASE, draft("after next", *BACK, **RESOLVES)), RESOLVED)),
    Attempt(
        "by another later",
        UNIQUE,
        (*booked(RELEASE), RESOLVED, insert("transactions", transaction("after next", **RESOLVES))),
    ),
    Attempt("twice in place", NEVER_CHANGED, (*booked(RELEASE), RESOLVED, RESOLVED)),
    Attempt(
        "taken back",
        NEVER_CHANGED,
        (*booked(RELEASE), RESOLVED, *plain("UPDATE transactions SET status = 'PENDING' WHERE id = 'hold'")),
    ),
    Attempt("hold of posted entries", NOT_A_HOLD_TAKEN_BACK, booked(draft("next", *PAID, **PENDING))),
    Attempt(
        "posting of entries that hold",
        NOT_A_HOLD_TAKEN_BACK,
        booked(draft("next", *PAID, held("cash", 1), held("owed", -1))),
    ),
    Attempt("hold that is born resolved", NEVER_CHANGED, booked(draft("next", *PAID, status="RESOLVED"))),
    Attempt("posting that expires", CHECK, booked(draft("next", *PAID, expires_at=LATER))),
)

WRONG_REVERSALS = (
    _reversal("by half", Line("cash", -50), Line("owed", 50)),
    _reversal("by double", *OPPOSITE, *OPPOSITE),
    _reversal("by the same again", Line("cash", 100), Line("owed", -100)),
    _reversal("on another account", Line("cash", -100), Line("earned", 100)),
    _reversal("in other entries", Line("cash", -60), Line("cash", -40), Line("owed", 100)),
    _reversal("and something else", *OPPOSITE, Line("cash", -1), Line("earned", 1)),
    Attempt(
        "of a hold",
        NOT_A_REVERSAL,
        booked(draft("next", Line("cash", -10), Line("owed", 10), reverses_transaction_id="hold")),
    ),
    Attempt(
        "of a transaction that is not there",
        NOT_A_REVERSAL,
        booked(draft("next", *OPPOSITE, reverses_transaction_id="none")),
    ),
    Attempt(
        "of itself",
        NOT_A_REVERSAL,
        booked(draft("next", Line("cash", 5), Line("cash", -5), reverses_transaction_id="next")),
    ),
    Attempt(
        "of another merchant's",
        NOT_A_REVERSAL,
        (
            insert("transactions", transaction("theirs", merchant_id="other")),
            *booked(draft("next", *OPPOSITE, reverses_transaction_id="theirs")),
        ),
    ),
    Attempt("without entries", NOT_A_REVERSAL, (insert("transactions", transaction("next", **REVERSES)),)),
    Attempt(
        "twice",
        UNIQUE,
        booked(draft("next", *OPPOSITE, **REVERSES), draft("after next", *OPPOSITE, **REVERSES)),
    ),
)


@named(WRONG_RESOLUTIONS + WRONG_REVERSALS)
def test_the_application_cannot(books: Books, attempt: Attempt) -> None:
    refuse(books, books.application, attempt)


@named(WRONG_RESOLUTIONS + WRONG_REVERSALS)
def test_not_even_the_owner_can(books: Books, attempt: Attempt) -> None:
    refuse(books, books.owner, attempt)


def _holds_at_commit(connection: psycopg.Connection[Any], *statements: Statement) -> None:
    """The statements, and then what is otherwise told at the commit."""
    run(connection, (*statements, *plain("SET CONSTRAINTS ALL IMMEDIATE")))


def _open_holds(connection: psycopg.Connection[Any]) -> Any:
    query = "SELECT sum(pending_debits + pending_credits) FROM balances"
    row = connection.execute(query).fetchone()
    return row and row[0]


def test_a_hold_is_voided(application: psycopg.Connection[Any]) -> None:
    _holds_at_commit(application, *booked(RELEASE), RESOLVED)
    assert _open_holds(application) == 0


def test_a_hold_may_be_resolved_before_its_entries_are_taken_back(
    application: psycopg.Connection[Any],
) -> None:
    transactions, entries = booked(draft("next", *PAID, *BACK, **RESOLVES))
    _holds_at_commit(application, transactions, RESOLVED, entries)
    assert _open_holds(application) == 0


def test_a_hold_is_placed_and_posted_in_part_at_once(application: psycopg.Connection[Any]) -> None:
    drafts = (
        _other_hold(held("cash", 8), held("owed", -8)),
        draft("a", Line("cash", 3), Line("owed", -3), released("cash", -8), released("owed", 8)),
    )
    drafts[1].columns["resolves_transaction_id"] = "other hold"
    _holds_at_commit(application, *booked(*drafts, draft("b", *BACK, **RESOLVES)), BOTH_RESOLVED)
    assert _open_holds(application) == 0


def test_what_was_posted_and_its_reversal_are_reversed(application: psycopg.Connection[Any]) -> None:
    again = draft("again", *(Line(one.account_id, -one.amount) for one in OPPOSITE))
    again.columns["reverses_transaction_id"] = "next"
    _holds_at_commit(application, *booked(draft("next", *OPPOSITE, **REVERSES), again))
    query = "SELECT posted, version FROM balances WHERE account_id = 'cash'"
    assert application.execute(query).fetchone() == (100, 4)


def test_the_posted_part_of_a_resolution_is_reversed(application: psycopg.Connection[Any]) -> None:
    back = draft("back", *(Line(one.account_id, -one.amount) for one in PAID))
    back.columns["reverses_transaction_id"] = "next"
    _holds_at_commit(application, *booked(draft("next", *PAID, *BACK, **RESOLVES), back), RESOLVED)
    query = "SELECT posted, pending_debits FROM balances WHERE account_id = 'cash'"
    assert application.execute(query).fetchone() == (100, 0)
