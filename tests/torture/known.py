"""What the clients of one book have learned from answers, for all of them to use."""

from __future__ import annotations

import random
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")
REMEMBERED_MAX = 500
# Requests may be bulks of some hundred kilobytes.
REQUESTS_REMEMBERED_MAX = 50


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was acknowledged, and its key."""

    rpc: str
    request: Any
    key: str


class Pool(Generic[T]):
    """The last things that were learned; any thread may."""

    def __init__(self, remembered_max: int = REMEMBERED_MAX) -> None:
        self._items: deque[T] = deque(maxlen=remembered_max)
        self._lock = threading.Lock()

    def add(self, item: T) -> None:
        """Remembers it, in place of the oldest."""
        with self._lock:
            self._items.append(item)

    def one(self, decisions: random.Random) -> T | None:
        """One of them, which stays; None where there is none yet."""
        with self._lock:
            return decisions.choice(self._items) if self._items else None


@dataclass(slots=True)
class Known:
    """Holds and transactions by id, references, instants in microseconds, versions by account."""

    holds: Pool[str] = field(default_factory=Pool)
    posted: Pool[str] = field(default_factory=Pool)
    references: Pool[str] = field(default_factory=Pool)
    instants_us: Pool[int] = field(default_factory=Pool)
    acknowledged: Pool[Asked] = field(default_factory=lambda: Pool(REQUESTS_REMEMBERED_MAX))
    versions: dict[str, int] = field(default_factory=dict)
