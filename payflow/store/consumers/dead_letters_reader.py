"""Dead letters as operators see them."""

from __future__ import annotations

from dataclasses import astuple

from payflow.domain.dead_letter import DeadLetterFilter, DeadLetterState, DeadLetterView, LetterKey, Standing
from payflow.store.database.read_pool import ReadPool
from payflow.store.dead_letter_rows import COLUMNS, CONTENT, view

ONE = f"""
    SELECT {COLUMNS}, {CONTENT}
    FROM dead_letters AS item
    WHERE merchant_id = %s AND consumer = %s AND aggregate_id = %s AND aggregate_version = %s
"""

# As texts of their own: the index of parked ones is for their state alone.
_PAGE = f"""
    SELECT {COLUMNS}
    FROM (
        SELECT *
        FROM dead_letters
        WHERE (merchant_id, consumer, aggregate_id, aggregate_version) > (%s, %s, %s, %s)
          AND (%s = '' OR merchant_id = %s) AND (%s = '' OR consumer = %s)
          {{condition}}
        ORDER BY merchant_id, consumer, aggregate_id, aggregate_version
        LIMIT %s
    ) AS item
    ORDER BY item.merchant_id, item.consumer, item.aggregate_id, item.aggregate_version
"""
PAGES = {
    state: _PAGE.format(condition=f"AND state = '{state}'" if state else "")
    for state in (None, DeadLetterState.PARKED, DeadLetterState.WAITING, DeadLetterState.RETRYING)
}

STANDINGS = """
    SELECT consumer, count(*) FILTER (WHERE state = 'PARKED') AS parked,
           min(parked_at) FILTER (WHERE state = 'PARKED') AS oldest_parked_at, count(*) AS events
    FROM dead_letters
    GROUP BY consumer
    ORDER BY consumer
"""


class DeadLettersReader:
    """Fulfils payflow.commands.dead_letter_ports.DeadLetters. Deadlines are in seconds of time.monotonic."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    def find(self, key: LetterKey, deadline: float) -> DeadLetterView | None:
        """One letter with its headers and value."""
        row = self._pool.one(ONE, astuple(key), deadline)
        return view(row) if row else None

    def page(
        self, wanted: DeadLetterFilter, after: LetterKey | None, limit: int, deadline: float
    ) -> list[DeadLetterView]:
        """Letters that match, by merchant, consumer, aggregate and version, behind one of them."""
        # A merchant's are found behind everything that sorts before them.
        start = after or LetterKey(wanted.merchant_id, "", "", 0)
        parameters = (
            *astuple(start),
            *(wanted.merchant_id, wanted.merchant_id, wanted.consumer, wanted.consumer, limit),
        )
        found = self._pool.all(PAGES[wanted.state], parameters, deadline, plan_anew=True)
        return [view(row) for row in found]

    def standings(self, deadline: float) -> list[Standing]:
        """What each consumer has not taken, by consumer; nothing of those that took everything."""
        return [Standing(**row) for row in self._pool.all(STANDINGS, (), deadline)]
