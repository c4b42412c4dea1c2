"""Finds out when the topic has lost what was published, and has everything published again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest

from payflow.events.relay import metrics
from payflow.events.relay.publisher import Publisher
from payflow.store.database.pool import PooledConnection
from payflow.store.relay.topics import KnownEnds, RelayTopics

log = logging.getLogger(__name__)

CHECK_EVERY_S = 2.0
DATABASE_TIMEOUT_S = 2.0


def is_before(ends: Sequence[int], known: Sequence[int]) -> bool:
    """Whether a partition's log ends before where it is known to have ended; one that is gone ends at 0."""
    return any(end < before for end, before in zip_longest(ends, known, fillvalue=0))


class TopicLog:
    """For one thread. ``now_s`` is time.monotonic."""

    def __init__(self, topics: RelayTopics, now_s: Callable[[], float] = time.monotonic) -> None:
        self._topics = topics
        self._now_s = now_s
        self._due_s = 0.0

    def is_lost(self, publisher: Publisher, at_once: bool = False) -> bool:
        """Looks when that is due, or ``at_once``. Raises PublisherFailedError."""
        if self._now_s() < self._due_s and not at_once:
            return False
        known = self._topics.known(_deadline())
        ends = publisher.ends()
        self._due_s = self._now_s() + CHECK_EVERY_S
        if is_before(ends, known.ends):
            self._begin_again(ends, known)
            return True
        if list(ends) != list(known.ends):
            self._topics.note(ends, known, _deadline())
        return False

    def reach(self, connection: PooledConnection, ends: Mapping[int, int]) -> None:
        """Notes where logs ended behind what was delivered, with the cursors that go behind that.

        Else a log that loses its end right then would not be found out.
        """
        self._topics.reach(connection, ends)

    def lose(self, publisher: Publisher) -> None:
        """The publisher has seen for itself that the log is another one. Raises PublisherFailedError."""
        self._begin_again(publisher.ends(), self._topics.known(_deadline()))

    def _begin_again(self, ends: Sequence[int], known: KnownEnds) -> None:
        self._topics.lose(ends, known, _deadline())
        metrics.BEGUN_AGAIN.inc()
        log.warning(
            "the topic has lost what was published: everything is published again",
            extra={"ends": list(ends), "known_ends": list(known.ends)},
        )


def _deadline() -> float:
    return time.monotonic() + DATABASE_TIMEOUT_S
