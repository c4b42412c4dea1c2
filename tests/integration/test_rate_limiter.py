"""One limit for all processes, through a real Valkey, and one each without it."""

from __future__ import annotations

from collections.abc import Iterator
from multiprocessing import get_context
from uuid import uuid4

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from payflow.domain.gcra import SECOND_US, RateLimit, take
from payflow.store.redis import optional_redis
from payflow.store.redis.optional_redis import OptionalRedis
from payflow.store.redis.rate_limiter import CHUNKS, RateLimiter, name_of, take_shared
from tests.rate_limited_crowd import THREADS, Span, let_through
from tests.valkey import running_valkey
from tests.waiting import WAIT_S

PROCESSES = 2
START_US = 1_700_000_000 * SECOND_US
# What one request costs here is so much that nothing lapses in Valkey while time is only told.
LIMITS = st.builds(RateLimit, st.integers(1, 60), st.sampled_from([3_600, 86_400]))
STEPS = st.lists(st.tuples(st.integers(-50, 400), st.integers(1, 5)), min_size=1, max_size=25)


class ToldClock:
    def __init__(self) -> None:
        self.now_us = START_US

    def __call__(self) -> int:
        return self.now_us


@pytest.fixture
def client(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey_url, socket_timeout=WAIT_S) as one:
        yield one


@pytest.fixture
def shared(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[OptionalRedis]:
    monkeypatch.setattr(optional_redis, "TIMEOUT_S", WAIT_S)
    one = OptionalRedis(valkey_url, 2)
    assert one.timeout_s == WAIT_S
    yield one
    one.close()


def test_the_script_and_the_pure_function_agree_step_by_step(valkey_url: str) -> None:
    with redis.Redis.from_url(valkey_url, socket_timeout=WAIT_S) as client:

        @settings(max_examples=60)
        @given(limit=LIMITS, steps=STEPS)
        def agree(limit: RateLimit, steps: list[tuple[int, int]]) -> None:
            key = uuid4().hex
            arrival_us, now_us = 0, START_US
            for pause, wanted in steps:
                now_us += pause * limit.interval_us // 100
                taken = take(limit, arrival_us, now_us, wanted)
                granted, retry_after_us = take_shared(client, key, limit, wanted, now_us)
                assert (granted, retry_after_us) == (taken.granted, taken.retry_after_us)
                arrival_us = taken.arrival_us
                assert int(client.get(name_of(key)) or 0) == arrival_us

        agree()


def test_what_is_kept_lapses_when_it_says_nothing_any_more(client: redis.Redis) -> None:
    limit, key = RateLimit(10, 3_600), uuid4().hex
    assert take_shared(client, key, limit, 3) == (3, 0)
    lapses_in_ms = client.pttl(name_of(key))
    assert 0 < lapses_in_ms <= 3 * limit.interval_us // 1_000


@pytest.mark.parametrize("nonsense", [b"", b"nan", b"garbage", b"\xff", b"-5", b"inf", b"1e300"])
def test_nonsense_in_its_place_costs_at_most_the_whole_limit(client: redis.Redis, nonsense: bytes) -> None:
    limit, key = RateLimit(2, 3_600), uuid4().hex
    client.set(name_of(key), nonsense)
    granted, retry_after_us = take_shared(client, key, limit, 1)
    assert (granted, retry_after_us) in ((1, 0), (0, limit.interval_us))


def test_a_list_in_its_place_is_written_over(client: redis.Redis) -> None:
    limit, key = RateLimit(2, 3_600), uuid4().hex
    client.rpush(name_of(key), "x")
    assert [take_shared(client, key, limit, 1)[0] for _ in range(3)] == [1, 1, 0]


@pytest.mark.parametrize("limit", [RateLimit(50, 1), RateLimit(200, 1)], ids=["exact", "in chunks"])
def test_threads_of_two_processes_never_get_more_than_the_limit(valkey_url: str, limit: RateLimit) -> None:
    each = 2 * limit.requests // (PROCESSES * THREADS)
    arguments = (valkey_url, uuid4().hex, limit, each)
    with get_context("spawn").Pool(PROCESSES) as processes:
        spans = [span for one in processes.starmap(let_through, [arguments] * PROCESSES) for span in one]
    assert len(spans) == PROCESSES * THREADS * each
    chunk = max(1, limit.requests // CHUNKS)
    assert_within(spans, limit, carried_over=PROCESSES * (chunk - 1))


def assert_within(spans: list[Span], limit: RateLimit, carried_over: int) -> None:
    """No stretch of time has more requests begun and let through in it than the limit allows."""
    ended = sorted(spans, key=lambda span: span[1])
    for began_at in sorted(asked_at for asked_at, _ in spans):
        inside = [through_at for asked_at, through_at in ended if asked_at >= began_at]
        for count, through_at in enumerate(inside, start=1):
            allowed = limit.requests + (through_at - began_at) * SECOND_US / limit.interval_us
            assert count <= allowed + carried_over


def test_processes_share_a_limit_and_a_refusal_is_remembered(shared: OptionalRedis) -> None:
    clock, limit, key = ToldClock(), RateLimit(4, 3_600), uuid4().hex
    one, other = RateLimiter(shared, clock), RateLimiter(shared, clock)
    assert [one.take(key, limit), other.take(key, limit), one.take(key, limit)] == [0, 0, 0]
    assert other.take(key, limit) == 0
    wait_s = one.take(key, limit)
    assert 0 < wait_s <= limit.interval_us / SECOND_US
    assert one.is_used_up(key) and not other.is_used_up(key)
    clock.now_us += SECOND_US
    assert one.take(key, limit) == wait_s - 1
    assert one.take(uuid4().hex, limit) == 0


def test_a_chunk_is_used_without_a_question_and_lapses(shared: OptionalRedis, client: redis.Redis) -> None:
    clock, limit, key = ToldClock(), RateLimit(500, 3_600), uuid4().hex
    limiter = RateLimiter(shared, clock)
    assert limiter.take(key, limit) == 0
    kept = client.get(name_of(key))
    assert [limiter.take(key, limit) for _ in range(9)] == [0] * 9
    assert client.get(name_of(key)) == kept
    assert limiter.take(key, limit) == 0
    assert client.get(name_of(key)) != kept
    kept = client.get(name_of(key))
    clock.now_us += 10 * limit.interval_us
    assert limiter.take(key, limit) == 0
    assert client.get(name_of(key)) != kept


def test_without_redis_every_process_has_the_whole_limit() -> None:
    clock, limit = ToldClock(), RateLimit(3, 60)
    limiter = RateLimiter(None, clock)
    assert [limiter.take("shop", limit) for _ in range(5)] == [0, 0, 0, 20, 20]
    clock.now_us += 20 * SECOND_US
    assert [limiter.take("shop", limit) for _ in range(2)] == [0, 20]


def test_losing_redis_neither_refuses_nor_begins_the_limit_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optional_redis, "TIMEOUT_S", WAIT_S)
    clock, limit = ToldClock(), RateLimit(6, 3_600)
    with running_valkey() as server:
        redis = OptionalRedis(server.connection_url, 2)
        limiter, other = RateLimiter(redis, clock), RateLimiter(redis, clock)
        assert [limiter.take("shop", limit) for _ in range(4)] == [0] * 4
    assert [limiter.take("shop", limit) > 0 for _ in range(3)] == [False, False, True]
    assert [other.take("shop", limit) > 0 for _ in range(7)] == [False] * 6 + [True]
    redis.close()
