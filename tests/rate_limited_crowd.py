"""Callers who take from a rate limit as fast as they are let, for processes that race."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from payflow.domain.gcra import RateLimit
from payflow.store.redis import optional_redis
from payflow.store.redis.optional_redis import OptionalRedis
from payflow.store.redis.rate_limiter import RateLimiter
from tests.waiting import WAIT_S

THREADS = 4
# Wall clock, as Redis has it: when a request was asked for and when it was let through.
Span = tuple[float, float]


def let_through(url: str, key: str, limit: RateLimit, each: int) -> list[Span]:
    """The spans of ``each`` requests of every thread; who is refused waits for as long as it is told."""
    optional_redis.TIMEOUT_S = WAIT_S
    redis = OptionalRedis(url, THREADS)
    limiter = RateLimiter(redis)

    def call(_: int) -> list[Span]:
        return [_admitted(limiter, key, limit) for _ in range(each)]

    with ThreadPoolExecutor(THREADS) as threads:
        spans = [span for one in threads.map(call, range(THREADS)) for span in one]
    redis.close()
    return spans


def _admitted(limiter: RateLimiter, key: str, limit: RateLimit) -> Span:
    while True:
        asked_at = time.time()
        retry_after_s = limiter.take(key, limit)
        if retry_after_s == 0:
            return asked_at, time.time()
        time.sleep(retry_after_s)
