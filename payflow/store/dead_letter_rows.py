"""Rows of dead letters."""

from __future__ import annotations

from payflow.domain.dead_letter import DeadLetter, DeadLetterState, DeadLetterView, Letter
from payflow.store.rows import Row

_SHARED = """
    item.merchant_id, item.aggregate_id, item.aggregate_version, item.type, item.consumer, item.state,
    item.error, item.tries, item.parked_at
"""
CONTENT = "item.headers, item.value"
WHOLE = f"{_SHARED}, {CONTENT}"
COLUMNS = f"""
    {_SHARED}, (
        SELECT count(*) FROM dead_letters AS later
        WHERE later.merchant_id = item.merchant_id AND later.consumer = item.consumer
          AND later.aggregate_id = item.aggregate_id AND later.aggregate_version > item.aggregate_version
    ) AS behind
"""


def dead_letter(row: Row) -> DeadLetter:
    """A row of WHOLE, or of COLUMNS without headers and value."""
    letter = Letter(
        row["merchant_id"],
        row["aggregate_id"],
        row["aggregate_version"],
        row["type"],
        row.get("headers", {}),
        row.get("value", b""),
    )
    state = DeadLetterState(row["state"])
    return DeadLetter(row["consumer"], letter, state, row["error"], row["tries"], row["parked_at"])


def view(row: Row) -> DeadLetterView:
    """A row of COLUMNS."""
    return DeadLetterView(dead_letter(row), row["behind"])
