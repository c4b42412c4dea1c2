"""How far behind the relay is, as figures."""

from __future__ import annotations

import time
from datetime import timedelta

from payflow.domain.clock import Clock
from payflow.events.relay import metrics
from payflow.store.database.horizon import horizon
from payflow.store.database.pool import Pool
from payflow.store.relay.lag import RelayLag

DATABASE_TIMEOUT_S = 5.0


class Progress:
    """Measures all parts, whoever publishes them."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._lag = RelayLag(pool)
        self._clock = clock
        self._oldest_open = 0
        self._since_s = 0.0

    def measure(self) -> int:
        """Says how far behind everything is; 0, because there is nothing to go on with."""
        deadline = time.monotonic() + DATABASE_TIMEOUT_S
        oldest = self._lag.oldest(deadline)
        age = self._clock.now() - oldest if oldest else timedelta()
        metrics.LAG_S.set(max(0.0, age.total_seconds()))
        metrics.LAG_EVENTS.set(self._lag.count(deadline))
        metrics.HELD_BACK_S.set(self._held_back_s(deadline))
        return 0

    def _held_back_s(self, deadline: float) -> float:
        """For how long the same transaction has been the oldest that is open."""
        now = horizon(self._pool, deadline)
        if now.oldest_open == now.next or now.oldest_open != self._oldest_open:
            self._oldest_open, self._since_s = now.oldest_open, time.monotonic()
        return time.monotonic() - self._since_s
