"""Rows of dead letters."""

from __future__ import annotations

from payflow.domain.dead_letter import DeadLetter, DeadLetterState, Letter
from payflow.store.columns import columns_of
from payflow.store.rows import Row

WHOLE = f"{columns_of(Letter, 'item')}, item.consumer, item.state, item.error, item.tries, item.parked_at"


def dead_letter(row: Row) -> DeadLetter:
    """A row with the columns of WHOLE."""
    return DeadLetter(
        row["consumer"],
        Letter(**{name: row[name] for name in Letter.__match_args__}),
        DeadLetterState(row["state"]),
        row["error"],
        row["tries"],
        row["parked_at"],
    )
