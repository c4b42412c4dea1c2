"""A bulkhead between waits for PSPs and everything else.

A thread that waits for a PSP serves nobody else. However slow PSPs are, no more threads than these wait
for them, and no more for one PSP account than its share, so one that hangs leaves room for the others.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from payflow.domain.endpoint import Endpoint
from payflow.domain.errors import PayFlowError, Reason


class PspSlots:
    """Places to wait in: ``total_max`` in all, ``per_psp_max`` of them for any one PSP account."""

    def __init__(self, total_max: int, per_psp_max: int, retry_after_s: float = 1.0) -> None:
        if not 0 < per_psp_max <= total_max:
            raise ValueError(f"expected 0 < per_psp_max <= total_max, not {per_psp_max} and {total_max}")
        self._total_max = total_max
        self._per_psp_max = per_psp_max
        self._retry_after_s = retry_after_s
        self._lock = threading.Lock()
        self._held: Counter[Endpoint] = Counter()
        self._total = 0

    @contextmanager
    def hold(self, endpoint: Endpoint) -> Iterator[None]:
        """Holds a place while the block runs. Never waits for one: raises OVERLOADED where none is free."""
        self._take(endpoint)
        try:
            yield
        finally:
            self._give_back(endpoint)

    def has_room(self, endpoint: Endpoint) -> bool:
        """Whether a place is free now: for routing, so without waiting for the lock."""
        return self._held.get(endpoint, 0) < self._per_psp_max and self._total < self._total_max

    def held(self) -> int:
        """How many places are taken now."""
        return self._total

    def _take(self, key: Endpoint) -> None:
        with self._lock:
            if not self.has_room(key):
                raise PayFlowError(
                    Reason.OVERLOADED,
                    "too many payments are waiting for a PSP",
                    retry_after_s=self._retry_after_s,
                )
            self._held[key] += 1
            self._total += 1

    def _give_back(self, key: Endpoint) -> None:
        with self._lock:
            self._held[key] -= 1
            self._total -= 1
            self._forget_if_unused(key)

    def _forget_if_unused(self, key: Endpoint) -> None:
        if self._held[key] == 0:
            del self._held[key]
