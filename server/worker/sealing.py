"""Seals the ledger and publishes the heads of its blocks, leaving most of the time to those who write it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from prometheus_client import Counter, Gauge

from payflow.store.read_pool import ReadPool
from payflow.store.seal_lag import seal_lag
from payflow.store.sealing import Sealer
from server.worker.side_by_side import READ_TIMEOUT_S

SHARE = 0.04
"""Of the time, for sealing, while it is not far behind."""
BEHIND_MAX = timedelta(seconds=60)
"""Sealing that is further behind does not wait for anybody."""

SEALED = Counter("payflow_sealed_entries_total", "Ledger entries that were sealed in blocks.")
BLOCKS = Counter("payflow_sealed_blocks_total", "Blocks of the ledger's chains.")
LAG_S = Gauge(
    "payflow_seal_lag_seconds",
    "Age of the oldest event that may have booked something that is not sealed.",
    multiprocess_mode="max",
)
LAG_EVENTS = Gauge(
    "payflow_seal_lag_events",
    "Events that sealing has yet to look at; at most 1,000 are counted in a bucket.",
    multiprocess_mode="max",
)


class Sealing:
    """Seals in short turns."""

    def __init__(
        self, sealer: Sealer, now: Callable[[], datetime], stops: Callable[[], bool], share_s: float
    ) -> None:
        """A round takes ``share_s`` seconds, or what its last step takes longer."""
        self._sealer = sealer
        self._now = now
        self._stops = stops
        self._share_s = share_s

    def round(self) -> int:
        """Seals for its share of the time; 1 where it is so far behind that the next round is now."""
        ends_at = time.monotonic() + self._share_s
        behind = timedelta()
        while not self._stops():
            sealed = self._sealer.step()
            if sealed is None:
                return 0
            SEALED.inc(sealed.entries)
            BLOCKS.inc(sealed.transactions > 0)
            if sealed.until is not None:
                behind = self._now() - sealed.until
            if time.monotonic() >= ends_at:
                break
        return int(behind > BEHIND_MAX)

    def close(self) -> None:
        """Lets go of the database."""
        self._sealer.close()


def measure_lag(pool: ReadPool, now: datetime) -> None:
    """Sets the gauges."""
    lag = seal_lag(pool, time.monotonic() + READ_TIMEOUT_S)
    LAG_EVENTS.set(lag.events)
    LAG_S.set(max((now - lag.since).total_seconds(), 0) if lag.since else 0)
