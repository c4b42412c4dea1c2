"""Finds a merchant's rules and experiment, mostly from memory."""

from __future__ import annotations

import time
from collections.abc import Callable

from payflow.domain.routing.state import Routing
from payflow.store import routing_rows
from payflow.store.commit.loading_routing import EXPERIMENTS, RULES
from payflow.store.database.read_pool import ReadPool

FRESH_S = 2.0
CACHED_MAX = 10_000


class RoutingDirectory:
    """What holds for a merchant as of at most FRESH_S ago; that one has no rules is remembered, too."""

    def __init__(self, pool: ReadPool, elapsed_s: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._elapsed_s = elapsed_s
        self._routings: dict[str, tuple[float, Routing]] = {}

    def find(self, merchant_id: str, deadline: float) -> Routing:
        """A merchant's routing; ``deadline`` is in seconds of time.monotonic."""
        read_at, cached = self._routings.get(merchant_id, (0.0, None))
        if cached is not None and self._elapsed_s() - read_at < FRESH_S:
            return cached
        return self._read(merchant_id, deadline)

    def forget(self, merchant_id: str) -> None:
        """Drops what is remembered of a merchant whose routing was just changed."""
        self._routings.pop(merchant_id, None)

    def _read(self, merchant_id: str, deadline: float) -> Routing:
        wanted = ([merchant_id],)
        rules, experiments = self._pool.snapshot([(RULES, wanted), (EXPERIMENTS, wanted)], deadline)
        routing = Routing(
            merchant_id,
            routing_rows.rules_version(rules[0]) if rules else None,
            routing_rows.experiment(experiments[0]) if experiments else None,
        )
        if len(self._routings) >= CACHED_MAX:
            self._routings.clear()
        self._routings[merchant_id] = self._elapsed_s(), routing
        return routing
