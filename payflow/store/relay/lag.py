"""How far behind the relay is, all parts together."""

from __future__ import annotations

from datetime import datetime

from payflow.store.database.pool import Pool
from payflow.store.relay.parts import BUCKETS_OF_PART

# What a dump of another cluster brought along may have numbers of transactions that are still to come.
_BEHIND = f"""
    FROM (
        SELECT number, aggregate_id, aggregate_version, merchant_id,
               CASE WHEN from_beginning OR system_identifier = 0 THEN xid8 '0' ELSE xid END AS xid
        FROM relay_parts
    ) AS part
    CROSS JOIN generate_series(0, {BUCKETS_OF_PART - 1}) AS wanted (bucket)
    CROSS JOIN LATERAL (
        SELECT occurred_at
        FROM events
        WHERE bucket = part.number * {BUCKETS_OF_PART} + wanted.bucket
          AND (xid, aggregate_id, aggregate_version, merchant_id)
              > (part.xid, part.aggregate_id, part.aggregate_version, part.merchant_id)
          AND xid < (SELECT pg_snapshot_xmax(pg_current_snapshot()))
        ORDER BY xid, aggregate_id, aggregate_version, merchant_id
        LIMIT %s
    ) AS event
"""

OLDEST = f"SELECT min(event.occurred_at) AS occurred_at {_BEHIND}"
COUNT = f"SELECT count(*) AS events FROM (SELECT {_BEHIND} LIMIT %s) AS counted"

EVENTS_MAX = 100_000


class RelayLag:
    """Deadlines are in seconds of time.monotonic."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def oldest(self, deadline: float) -> datetime | None:
        """When the oldest event happened that is not published; None where there is none."""
        row = self._pool.one(OLDEST, (1,), deadline)
        return row["occurred_at"] if row else None

    def count(self, deadline: float) -> int:
        """How many events are not published, counted up to EVENTS_MAX."""
        row = self._pool.one(COUNT, (EVENTS_MAX, EVENTS_MAX), deadline)
        assert row is not None
        return int(row["events"])
