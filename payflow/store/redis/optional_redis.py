"""A Redis or Valkey that may be away, hang or lie, and that nobody depends on.

Who asks it waits at most ``timeout_s`` for a connection and for each packet. After an error it is left alone
for REST_S; then one who asks finds out for all whether it is back.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import redis

log = logging.getLogger(__name__)

TIMEOUT_S = 0.05
REST_S = 1.0

Answer = TypeVar("Answer")


class RedisAwayError(Exception):
    """There was no answer; whether the question arrived is not known."""


class OptionalRedis:
    """Any number of threads may ask, ``connections_max`` of them at the same time."""

    def __init__(self, url: str, connections_max: int, timeout_s: float | None = None) -> None:
        """``timeout_s`` is TIMEOUT_S where it is None."""
        timeout_s = TIMEOUT_S if timeout_s is None else timeout_s
        self._client = redis.Redis.from_url(
            url,
            max_connections=connections_max,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
        )
        self.timeout_s = timeout_s
        self._connections = threading.BoundedSemaphore(connections_max)
        self._trial = threading.Lock()
        self._answers: bool | None = None
        self._rests_until = 0.0

    def ask(self, question: Callable[[redis.Redis], Answer], *, waits: bool = True) -> Answer:
        """What ``question`` makes of the client; where it must not wait, only over a free connection.

        Raises RedisAwayError.
        """
        if self._answers:
            return self._asked(question, waits)
        with self._trial:
            if self._rests():
                raise RedisAwayError
            return self._asked(question, waits)

    def close(self) -> None:
        """Lets go of its connections."""
        self._client.close()

    def _asked(self, question: Callable[[redis.Redis], Answer], waits: bool) -> Answer:
        if not self._connections.acquire(timeout=self.timeout_s if waits else 0):
            raise RedisAwayError
        try:
            answer = question(self._client)
        except Exception as error:  # what lies may also break the client that reads it
            self._rest(error)
            raise RedisAwayError from error
        finally:
            self._connections.release()
        if self._answers is False:
            log.info("Redis is back")
        self._answers = True
        return answer

    def _rests(self) -> bool:
        return self._answers is False and time.monotonic() < self._rests_until

    def _rest(self, error: Exception) -> None:
        self._rests_until = time.monotonic() + REST_S
        if self._answers is not False:
            log.info("Redis is away, and this process works on by itself: %s", error)
        self._answers = False
