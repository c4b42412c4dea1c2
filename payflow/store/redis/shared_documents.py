"""Small documents that all processes share through Redis, and that each works on a copy of.

What a process observes counts in its own copy at once. Every EXCHANGE_EVERY_S one thread folds what was
observed into the documents in Redis and brings in what other processes saw. A document that was not
brought up to date for FRESH_S is read before it is used.

While Redis is away, or where there is none, each process goes on with its copies. When Redis is back, they
are merged with what is there. What was lost there, or makes no sense, is written over.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from payflow.store.redis.document_copy import DocumentCopy, Kind
from payflow.store.redis.document_exchange import DocumentExchange, OnChange
from payflow.store.redis.optional_redis import OptionalRedis, RedisAwayError

log = logging.getLogger(__name__)

EXCHANGE_EVERY_S = 0.1
FRESH_S = 1.0
# For so long after its last use a document is kept up to date.
WARM_S = 10.0
DOCUMENTS_MAX = 10_000
EXCHANGED_AT_ONCE_MAX = 500
CLOSE_TIMEOUT_S = 1.0

Document = TypeVar("Document")
Observation = TypeVar("Observation")


class SharedDocuments(Generic[Document, Observation]):
    """Documents of one kind, by key. Any number of threads may use them.

    ``name`` stands before the keys in Redis, where a document lapses ``expiry_s`` after its last change.
    """

    def __init__(
        self,
        redis: OptionalRedis | None,
        name: str,
        kind: Kind[Document, Observation],
        expiry_s: float,
        on_change: OnChange[Document] = lambda key, before, after, ours: None,
    ) -> None:
        self._redis = redis
        self._kind = kind
        self._exchange = DocumentExchange[Document, Observation](name, expiry_s, on_change)
        self._exchanging = threading.Lock()
        self._copies: dict[str, DocumentCopy[Document, Observation]] = {}
        self._creating = threading.Lock()
        self._stops = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        if redis is not None:
            self._thread.start()

    def view(self, key: str) -> Document:
        """The document as far as this process knows."""
        copy = self._copies.get(key) or self._copy(key)
        if self._redis is not None:
            copy.used_at_s = time.monotonic()
            if copy.used_at_s - copy.fresh_at_s > FRESH_S:
                self._refresh(self._redis, copy)
        return copy.document

    def observe(self, key: str, observation: Observation) -> None:
        """Takes note of something; never waits for Redis."""
        copy = self._copy(key)
        copy.observe(observation)
        if self._redis is None:
            with self._exchanging:
                self._exchange.settle_alone(copy)

    def update(self, key: str, change: Callable[[Document], Document | None]) -> Document | None:
        """Changes the document for all processes at once, or only here while Redis does not answer.

        None where ``change`` declines, or where others are too quick. Waits for Redis' time-out at most, and
        as long again for an exchange that is under way.
        """
        copy = self._copy(key)
        if self._redis is None:
            with self._exchanging:
                return self._exchange.update_alone(copy, change)
        if not self._exchanging.acquire(timeout=self._redis.timeout_s):
            return None
        try:
            return self._exchange.update(self._redis, copy, change)
        except RedisAwayError:
            return self._exchange.update_alone(copy, change)
        finally:
            self._exchanging.release()

    def close(self) -> None:
        """Exchanges a last time, where Redis answers."""
        self._stops.set()
        if self._redis is not None:
            self._thread.join(CLOSE_TIMEOUT_S)

    def _copy(self, key: str) -> DocumentCopy[Document, Observation]:
        copy = self._copies.get(key)
        if copy is None:
            with self._creating:
                # Dropping all of them is rare; what is shared comes back when it is used again.
                if len(self._copies) >= DOCUMENTS_MAX:
                    self._copies = {}
                copy = self._copies.setdefault(key, DocumentCopy(key, self._kind))
        return copy

    def _refresh(self, redis: OptionalRedis, copy: DocumentCopy[Document, Observation]) -> None:
        """Reads the document, unless somebody else has done so meanwhile."""
        if not self._exchanging.acquire(timeout=redis.timeout_s):
            return
        try:
            if time.monotonic() - copy.fresh_at_s > FRESH_S:
                copy.fresh_at_s = time.monotonic()
                with suppress(RedisAwayError):
                    self._exchange.read(redis, [copy])
        finally:
            self._exchanging.release()

    def _run(self) -> None:
        assert self._redis is not None
        while not self._stops.is_set():
            self._stops.wait(EXCHANGE_EVERY_S)
            try:
                self._exchange_all(self._redis)
            except Exception:
                log.exception("documents could not be exchanged")

    def _exchange_all(self, redis: OptionalRedis) -> None:
        with self._creating:
            copies = list(self._copies.values())
        warm_since_s = time.monotonic() - WARM_S
        wanted = [copy for copy in copies if copy.has_news or copy.used_at_s >= warm_since_s]
        for first in range(0, len(wanted), EXCHANGED_AT_ONCE_MAX):
            with self._exchanging:
                self._exchange_some(redis, wanted[first : first + EXCHANGED_AT_ONCE_MAX])

    def _exchange_some(
        self, redis: OptionalRedis, copies: Sequence[DocumentCopy[Document, Observation]]
    ) -> None:
        try:
            self._exchange.read(redis, copies)
            for copy in copies:
                copy.fresh_at_s = time.monotonic()
            self._exchange.write(redis, copies)
        except RedisAwayError:
            for copy in copies:
                if copy.has_news:
                    self._exchange.settle_alone(copy)
