"""Rate limits that all processes share through Redis.

A process takes requests in chunks of a fiftieth of the limit, so that most cost no round trip. Each process
may therefore let through up to a chunk less one more than the limit in a stretch of time, having taken them
before, or leave as many unused. Limits under 100 requests are exact.

While Redis is away each process applies the whole limit by itself, beginning with what it has let through
lately: no request is refused because Redis is away, and n processes let through up to n times the limit.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import redis

from payflow.domain.gcra import SECOND_US, RateLimit, take
from payflow.store.redis.optional_redis import OptionalRedis, RedisAwayError

CHUNKS = 50
BUCKETS_MAX = 10_000

# payflow.domain.gcra.take, on Redis' own clock unless the time is given. What is no number counts as
# nothing. Times stay below 2^53, up to which a Lua number is exact.
TAKE = """
local interval, burst, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local now = tonumber(ARGV[4])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local held = redis.pcall('GET', KEYS[1])
local arrival = type(held) == 'string' and tonumber(held) or 0
local begins = math.max(now, math.min(arrival, now + burst))
local granted = math.min(wanted, math.floor((now + burst - begins) / interval))
if granted < 1 then
  return {0, begins + interval - burst - now}
end
arrival = begins + granted * interval
redis.call('SET', KEYS[1], string.format('%.0f', arrival), 'PX', math.ceil((arrival - now) / 1000))
return {granted, 0}
"""


class RateLimiter:
    """Without ``redis``, as while it is away. ``now_us`` is a clock that never goes back."""

    def __init__(
        self, redis: OptionalRedis | None, now_us: Callable[[], int] = lambda: time.monotonic_ns() // 1000
    ) -> None:
        self._redis = redis
        self._now_us = now_us
        self._buckets: dict[str, _Bucket] = {}

    def take(self, key: str, limit: RateLimit) -> float:
        """Takes one request of ``key``'s: 0 when it may be made, otherwise the seconds until one may."""
        bucket = self._bucket(key)
        with bucket.lock:
            now_us = self._now_us()
            if now_us < bucket.refused_until_us:
                return (bucket.refused_until_us - now_us) / SECOND_US
            if bucket.left == 0 or now_us >= bucket.lapses_at_us:
                self._fill(bucket, key, limit, now_us)
            if bucket.left == 0:
                return (bucket.refused_until_us - now_us) / SECOND_US
            bucket.left -= 1
            return 0.0

    def is_used_up(self, key: str) -> bool:
        """Whether ``key`` was refused and has nothing back yet, as far as this process knows."""
        bucket = self._buckets.get(key)
        return bucket is not None and self._now_us() < bucket.refused_until_us

    def _bucket(self, key: str) -> _Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            # Dropping all of them is rare and only loses chunks.
            if len(self._buckets) >= BUCKETS_MAX:
                self._buckets = {}
            bucket = self._buckets.setdefault(key, _Bucket())
        return bucket

    def _fill(self, bucket: _Bucket, key: str, limit: RateLimit, now_us: int) -> None:
        chunk = max(1, limit.requests // CHUNKS)
        granted, retry_after_us = self._shared(key, limit, chunk) or _alone(bucket, limit, now_us)
        # Charged here too, so that the limit does not begin anew when Redis goes away.
        bucket.arrival_us = take(limit, bucket.arrival_us, now_us, granted).arrival_us
        bucket.left = granted
        bucket.lapses_at_us = now_us + chunk * limit.interval_us
        bucket.refused_until_us = now_us + retry_after_us

    def _shared(self, key: str, limit: RateLimit, wanted: int) -> tuple[int, int] | None:
        """What Redis grants and in how many microseconds to ask it again; None where it is away."""
        if self._redis is None:
            return None
        try:
            return self._redis.ask(lambda client: take_shared(client, key, limit, wanted))
        except RedisAwayError:
            return None


def take_shared(
    client: redis.Redis, key: str, limit: RateLimit, wanted: int, now_us: int | None = None
) -> tuple[int, int]:
    """How many of ``wanted`` requests are granted, and in how many microseconds to ask again if none is."""
    time_us: int | str = "" if now_us is None else now_us
    reply: Any = client.eval(TAKE, 1, name_of(key), limit.interval_us, limit.burst_us, wanted, time_us)
    granted, retry_after_us = reply
    return int(granted), int(retry_after_us)


def name_of(key: str) -> str:
    """Where Redis keeps the theoretical arrival time."""
    return f"payflow:rate:{key}"


def _alone(bucket: _Bucket, limit: RateLimit, now_us: int) -> tuple[int, int]:
    taken = take(limit, bucket.arrival_us, now_us)
    return taken.granted, taken.retry_after_us


class _Bucket:
    """What one process has of one key: ``left`` of the last chunk, to be used before it lapses."""

    __slots__ = ("arrival_us", "lapses_at_us", "left", "lock", "refused_until_us")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.left = 0
        self.lapses_at_us = 0
        self.refused_until_us = 0
        self.arrival_us = 0
