"""Which transactions have ended: those before the oldest one that is open."""

from __future__ import annotations

from dataclasses import dataclass

from payflow.store.database.pool import Pool

HORIZON = """
    SELECT pg_snapshot_xmin(now)::text::bigint AS oldest_open, pg_snapshot_xmax(now)::text::bigint AS next
    FROM pg_current_snapshot() AS now
"""


@dataclass(frozen=True, slots=True)
class Horizon:
    """Transactions before ``oldest_open`` have ended; ``next`` is the first that has not begun."""

    oldest_open: int
    next: int


def horizon(pool: Pool, deadline: float) -> Horizon:
    """The horizon now. ``deadline`` is in seconds of time.monotonic."""
    row = pool.one(HORIZON, (), deadline)
    assert row is not None
    return Horizon(row["oldest_open"], row["next"])
