"""The bounded queue in front of the writer."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field

from payflow.domain.folding.submission import Result, Submission
from payflow.store.database.failures import overloaded


@dataclass(slots=True)
class Pending:
    """A submission that waits for its batch; ``deadline`` is in seconds of time.monotonic."""

    submission: Submission
    deadline: float | None
    result: Future[Result] = field(default_factory=Future)
    weight: int = field(init=False)

    def __post_init__(self) -> None:
        self.weight = self.submission.weight


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """Bounds by commands and by the ledger entries that they book, of what waits and of a batch."""

    waiting_max: int = 1_000
    waiting_entries_max: int = 200_000
    batch_max: int = 128
    batch_entries_max: int = 1_000


class _Line:
    """First in, first out, with the sum of the weights."""

    def __init__(self) -> None:
        self._items: deque[Pending] = deque()
        self.weight = 0

    def __len__(self) -> int:
        return len(self._items)

    def add(self, pending: Pending) -> None:
        self._items.append(pending)
        self.weight += pending.weight

    def take(self, count_max: int, weight_max: int) -> list[Pending]:
        """From the front, the first one whatever its weight."""
        taken: list[Pending] = []
        room = weight_max
        while self._items and len(taken) < count_max:
            room -= self._items[0].weight
            if taken and room < 0:
                break
            taken.append(self._items.popleft())
        self.weight -= sum(pending.weight for pending in taken)
        return taken


class CommitQueue:
    """Two lines that take turns: bulks that fill a batch alone, and everything else.

    So whoever comes with one payment waits for one bulk at most, and is not refused for others' bulks.
    What finishes work already begun is always let in: PSP slots bound it.
    """

    def __init__(self, limits: QueueLimits) -> None:
        self._limits = limits
        self._bulks, self._others = _Line(), _Line()
        self._bulk_is_next = False
        self._changed = threading.Condition()
        self._closed = False

    def put(self, pending: Pending, *, always: bool = False) -> None:
        """Adds to the end. Raises OVERLOADED when the line is full or closed, unless ``always``."""
        limits = self._limits
        line = self._bulks if pending.weight > limits.batch_entries_max else self._others
        with self._changed:
            full = len(line) >= limits.waiting_max or line.weight >= limits.waiting_entries_max
            if self._closed or (full and not always):
                raise overloaded()
            line.add(pending)
            self._changed.notify()

    def take(self) -> list[Pending]:
        """Waits for something, then takes a batch of it; empty once closed and drained."""
        with self._changed:
            while not len(self) and not self._closed:
                self._changed.wait()
            bulk = bool(self._bulks) and (self._bulk_is_next or not self._others)
            self._bulk_is_next = not bulk
            if bulk:
                return self._bulks.take(1, 0)
            return self._others.take(self._limits.batch_max, self._limits.batch_entries_max)

    def close(self) -> None:
        """Lets nothing more in; what is there is still taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._bulks) + len(self._others)
