"""Publishes to a Redis stream, where there is no Kafka."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import redis

from payflow.events.cloud_event import headers_of
from payflow.events.published_event import PublishedEvent
from payflow.events.relay.publisher import Outcome, PublisherFailedError

# About so many are kept, a few hundred megabytes at most: whoever consumes must not be further behind.
ENTRIES_MAX = 100_000
CHUNK = 200
TIMEOUT_S = 2.0


class RedisPublisher:
    """Fulfils payflow.events.relay.publisher.Publisher."""

    def __init__(self, url: str, stream: str, entries_max: int = ENTRIES_MAX) -> None:
        """``url`` is REDIS_URL. Connects when it is first used."""
        self._redis = redis.Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
        self._stream = stream
        self._entries_max = entries_max

    def publish(self, events: Iterable[PublishedEvent], goes_on: Callable[[], bool]) -> Outcome:
        """See Publisher."""
        outcome = Outcome()
        for chunk in _chunks(events):
            outcome.delivered += [False] * len(chunk)
            if not goes_on():
                outcome.failure = "nobody waits for it any more"
                break
            try:
                outcome.ends[0] = self._add(chunk)
            except redis.RedisError as error:
                outcome.failure = f"Redis: {error}"
                break
            outcome.delivered[-len(chunk) :] = [True] * len(chunk)
        return outcome

    def ends(self) -> Sequence[int]:
        """One: how many entries the stream ever had. Needs Redis 7 or Valkey."""
        try:
            return [self._redis.xinfo_stream(self._stream)["entries-added"]]
        except redis.ResponseError:
            return [0]  # there is no such stream
        except redis.RedisError as error:
            raise PublisherFailedError(f"Redis: {error}") from error

    def close(self) -> None:
        """See Publisher."""
        self._redis.close()

    def _add(self, chunk: Sequence[PublishedEvent]) -> int:
        """All of them or none; how many entries the stream ever had then."""
        with self._redis.pipeline(transaction=True) as pipeline:
            for event in chunk:
                fields: dict[Any, Any] = {**headers_of(event), "value": event.data}
                pipeline.xadd(self._stream, fields, maxlen=self._entries_max, approximate=True)
            pipeline.xinfo_stream(self._stream)
            *_, stream = pipeline.execute()
            return int(stream["entries-added"])


def _chunks(events: Iterable[PublishedEvent]) -> Iterator[list[PublishedEvent]]:
    upcoming = iter(events)
    while chunk := list(islice(upcoming, CHUNK)):
        yield chunk
