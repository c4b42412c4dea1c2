"""The bounded queue in front of the writer."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field

from payflow.domain.folding.submission import Result, Submission
from payflow.store.failures import overloaded


@dataclass(slots=True)
class Pending:
    """A submission that waits for its batch; ``deadline`` is in seconds of time.monotonic."""

    submission: Submission
    deadline: float | None
    result: Future[Result] = field(default_factory=Future)


class CommitQueue:
    """First in, first out. What finishes work already begun is always let in: PSP slots bound it."""

    def __init__(self, waiting_max: int, entries_max: int) -> None:
        """``entries_max`` bounds the ledger entries of what waits."""
        self._waiting_max = waiting_max
        self._entries_max = entries_max
        self._entries = 0
        self._items: deque[Pending] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, pending: Pending, *, always: bool = False) -> None:
        """Adds to the end. Raises OVERLOADED when the queue is full or closed, unless ``always``."""
        with self._changed:
            full = len(self._items) >= self._waiting_max or self._entries >= self._entries_max
            if self._closed or (full and not always):
                raise overloaded()
            self._items.append(pending)
            self._entries += pending.submission.weight
            self._changed.notify()

    def take(self, batch_max: int, entries_max: int) -> list[Pending]:
        """Waits for something, then takes at most ``batch_max`` of it; empty once closed and drained.

        At most ``entries_max`` ledger entries come together, so that a large bulk is a batch of its own.
        """
        with self._changed:
            while not self._items and not self._closed:
                self._changed.wait()
            taken: list[Pending] = []
            room = entries_max
            while self._items and len(taken) < batch_max:
                room -= self._items[0].submission.weight
                if taken and room < 0:
                    break
                taken.append(self._items.popleft())
            self._entries -= sum(pending.submission.weight for pending in taken)
            return taken

    def close(self) -> None:
        """Lets nothing more in; what is there is still taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._items)
