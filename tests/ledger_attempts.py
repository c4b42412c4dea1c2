"""Attempts to break the ledger by plain SQL, each of which PostgreSQL itself refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from tests.ledger_rows import (
    LATER,
    Line,
    RunningSums,
    Statement,
    everything,
    insert,
    run,
    running_sums,
    transaction,
)

NEVER_CHANGED = "PF001"
NOT_SERIALIZABLE = "PF002"
UNBALANCED = "PF003"
NOT_WHOLE = "PF004"
NOT_CONTINUED = "PF005"
NOT_A_HOLD_TAKEN_BACK = "PF007"
NOT_A_REVERSAL = "PF008"
UNIQUE = "23505"
CHECK = "23514"
OUT_OF_RANGE = "22003"
NO_RIGHT = "42501"


@dataclass(frozen=True, slots=True)
class Books:
    """Open books, and the two who try to change them; see open_books."""

    owner: psycopg.Connection[Any]
    application: psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Attempt:
    """Statements of one transaction, which must fail with ``sqlstate`` at one of them or at its commit."""

    name: str
    sqlstate: str
    statements: tuple[Statement, ...]
    isolation: str = "SERIALIZABLE"


@dataclass(frozen=True, slots=True)
class Draft:
    """A transaction with ``lines``, whose sums are to be filled in; ``columns`` are its row's."""

    id: str
    lines: tuple[Line, ...]
    columns: dict[str, Any]


def draft(identifier: str, *lines: Line, **columns: Any) -> Draft:
    """A draft; see Draft."""
    return Draft(identifier, lines, columns)


def booked(*drafts: Draft, sums: RunningSums | None = None) -> tuple[Statement, Statement]:
    """The transactions in one statement and all of their entries in another, going on from open_books."""
    sums = sums or running_sums()
    transactions = [
        transaction(one.id, **COLUMNS | {"entry_count": len(one.lines)} | one.columns) for one in drafts
    ]
    entries = [row for one in drafts for row in sums.entries(one.id, one.lines, LATER)]
    return insert("transactions", *transactions), insert("entries", *entries)


def booked_apart(*drafts: Draft) -> tuple[Statement, ...]:
    """Like booked, with statements of its own for each."""
    sums = running_sums()
    return tuple(statement for one in drafts for statement in booked(one, sums=sums))


# An INSERT of several rows gives each of them the same columns.
COLUMNS = {"resolves_transaction_id": None, "reverses_transaction_id": None}


def plain(*statements: str) -> tuple[Statement, ...]:
    """Statements without parameters."""
    return tuple(Statement(statement) for statement in statements)


def refuse(books: Books, connection: psycopg.Connection[Any], attempt: Attempt) -> None:
    """Makes the attempt, and sees it refused and nothing changed."""
    before = everything(books.owner)
    connection.execute(f"BEGIN ISOLATION LEVEL {attempt.isolation}".encode())
    try:
        with pytest.raises(psycopg.Error) as caught:
            run(connection, (*attempt.statements, Statement("COMMIT")))
    finally:
        connection.execute("ROLLBACK")
    assert caught.value.sqlstate == attempt.sqlstate, caught.value
    assert everything(books.owner) == before


def named(attempts: tuple[Attempt, ...]) -> pytest.MarkDecorator:
    """Makes a test of each attempt."""
    return pytest.mark.parametrize("attempt", attempts, ids=lambda attempt: attempt.name)
