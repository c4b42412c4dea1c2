"""Sums stop at 64 bits: nothing beyond is stored, in one transaction or over an account's life.

Amounts and sums go from -INT64_MAX to INT64_MAX, so that each may be negated; so does what is available.
"""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.ledger_attempts import (
    CHECK,
    NOT_CONTINUED,
    OUT_OF_RANGE,
    UNBALANCED,
    Attempt,
    Books,
    Draft,
    booked,
    booked_apart,
    draft,
    named,
    refuse,
)
from tests.ledger_rows import Line, entry, held, insert, run, transaction

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)
PENDING = {"status": "PENDING"}


def _posting(debit: str, credit: str, amount: int = INT64_MAX) -> Draft:
    return draft(f"{amount} to {debit}", Line(debit, amount), Line(credit, -amount))


def _hold(debit: str, credit: str, amount: int = INT64_MAX) -> Draft:
    return draft(f"{amount} held on {debit}", held(debit, amount), held(credit, -amount), **PENDING)


TO_THE_BORDERS = {
    "posted, both ways": [_posting("gold", "silver")],
    "available of a liability, below": [_posting("debt", "silver")],
    "available of a liability, above": [_posting("gold", "debt")],
    "held, both ways": [_hold("gold", "silver")],
    "posted and held where that does not add up": [_posting("gold", "silver"), _hold("gold", "earned")],
    "to a border and back": [_posting("gold", "silver"), _posting("silver", "gold")],
}

BEYOND = {
    "posted, above": (OUT_OF_RANGE, [_posting("gold", "silver"), _posting("gold", "cash", 1)]),
    "posted, below": (CHECK, [_posting("gold", "silver"), _posting("cash", "silver", 1)]),
    "debits held": (OUT_OF_RANGE, [_hold("gold", "silver"), _hold("gold", "cash", 1)]),
    "credits held": (OUT_OF_RANGE, [_hold("gold", "silver"), _hold("cash", "silver", 1)]),
    "available by a hold": (NOT_CONTINUED, [_posting("gold", "silver"), _hold("cash", "silver", 1)]),
    "available by a posting": (NOT_CONTINUED, [_hold("gold", "silver"), _posting("cash", "silver", 1)]),
    "available of a liability": (NOT_CONTINUED, [_posting("debt", "silver"), _hold("debt", "cash", 1)]),
    "available on the way": (
        NOT_CONTINUED,
        [_posting("gold", "silver"), _hold("cash", "silver", 1), _posting("silver", "earned", 5)],
    ),
}

APART = tuple(Attempt(name, state, booked_apart(*drafts)) for name, (state, drafts) in BEYOND.items())
AT_ONCE = tuple(
    Attempt(f"{name}, at once", state, booked(*drafts)) for name, (state, drafts) in BEYOND.items()
)


def _two_more(gold_after: int, **pending: Any) -> tuple[Any, ...]:
    """Two more in gold, which is at the border, with what its sum would be in wrapped arithmetic."""
    cash = entry("cash", 3, "more", 2, -2, posted_after=98, pending_debits_after=10)
    return (
        *booked(_posting("gold", "silver")),
        insert("transactions", transaction("more")),
        insert("entries", entry("gold", 2, "more", 1, 2, posted_after=gold_after, **pending), cash),
    )


WRAPPED = (
    Attempt("posted, wrapped around", OUT_OF_RANGE, _two_more(INT64_MIN + 1)),
    Attempt("posted, held at the border", NOT_CONTINUED, _two_more(INT64_MAX)),
    Attempt(
        "amounts that sum to zero when wrapped around",
        UNBALANCED,
        booked(draft("next", Line("gold", INT64_MAX), Line("debt", INT64_MAX), Line("earned", 2))),
    ),
    Attempt(
        "an amount that cannot be negated",
        CHECK,
        booked(
            _posting("gold", "silver"),
            draft("next", Line("gold", INT64_MIN), Line("owed", INT64_MAX), Line("earned", 1)),
        ),
    ),
)


@named(APART + AT_ONCE + WRAPPED)
def test_the_application_cannot_go_beyond(books: Books, attempt: Attempt) -> None:
    refuse(books, books.application, attempt)


@pytest.mark.parametrize("drafts", TO_THE_BORDERS.values(), ids=TO_THE_BORDERS)
def test_the_borders_themselves_are_reached(
    application: psycopg.Connection[Any], drafts: list[Draft]
) -> None:
    run(application, booked_apart(*drafts))
    query = (
        "SELECT max(greatest(abs(posted_after), pending_debits_after, pending_credits_after)) FROM entries"
    )
    assert application.execute(query).fetchone() == (INT64_MAX,)
