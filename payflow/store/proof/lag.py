"""How far sealing is behind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from payflow.domain.proof.block import BUCKETS_PER_PART
from payflow.store.database.read_pool import ReadPool

COUNTED_MAX = 1_000
"""In each bucket; what is more is not counted, so that being behind makes counting no slower."""

WAITING = f"""
    SELECT coalesce(sum(waiting.events), 0)::bigint AS events, min(waiting.since) AS since
    FROM seal_chains AS chain
    CROSS JOIN generate_series(0, {BUCKETS_PER_PART - 1}) AS wanted (bucket)
    CROSS JOIN LATERAL (
        SELECT count(*) AS events, min(occurred_at) AS since
        FROM (
            SELECT occurred_at
            FROM events
            WHERE bucket = chain.part * {BUCKETS_PER_PART} + wanted.bucket AND xid > chain.xid
            ORDER BY xid
            LIMIT {COUNTED_MAX}
        ) AS first
    ) AS waiting
"""


@dataclass(frozen=True, slots=True)
class SealLag:
    """Events that are not looked at yet, and when the first of them happened."""

    events: int
    since: datetime | None


def seal_lag(pool: ReadPool, deadline: float) -> SealLag:
    """As of now. ``deadline`` is in seconds of time.monotonic."""
    row = pool.one(WAITING, (), deadline)
    assert row is not None
    return SealLag(row["events"], row["since"])
