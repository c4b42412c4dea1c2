"""The algorithm beside a bucket that fills as time passes, which is the same thing told differently."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payflow.domain.gcra import SECOND_US, RateLimit, take

START_US = 1_700_000_000 * SECOND_US
LIMITS = st.builds(RateLimit, st.integers(1, 2_000), st.sampled_from([1, 60, 3600]))
# Pauses in hundredths of what one request costs, and how many are wanted behind each.
STEPS = st.lists(st.tuples(st.integers(0, 500), st.integers(1, 5)), min_size=1, max_size=60)


@dataclass
class FillingBucket:
    limit: RateLimit
    level_us: int

    def wait(self, pause_us: int) -> None:
        self.level_us = min(self.limit.burst_us, self.level_us + pause_us)

    def take(self, wanted: int) -> int:
        granted = min(wanted, self.level_us // self.limit.interval_us)
        self.level_us -= granted * self.limit.interval_us
        return granted


@given(limit=LIMITS, filled=st.integers(0, 100), steps=STEPS)
def test_it_grants_what_a_filling_bucket_does(
    limit: RateLimit, filled: int, steps: list[tuple[int, int]]
) -> None:
    level_us = limit.burst_us * filled // 100
    bucket, now_us = FillingBucket(limit, level_us), START_US
    arrival_us = now_us + limit.burst_us - level_us
    for pause, wanted in steps:
        pause_us = pause * limit.interval_us // 100
        now_us += pause_us
        bucket.wait(pause_us)
        taken = take(limit, arrival_us, now_us, wanted)
        assert taken.granted == bucket.take(wanted)
        if not taken.granted:
            assert taken.retry_after_us == limit.interval_us - bucket.level_us
        arrival_us = taken.arrival_us


@given(limit=LIMITS, steps=STEPS)
def test_no_stretch_of_time_has_more_than_the_limit(limit: RateLimit, steps: list[tuple[int, int]]) -> None:
    arrival_us, now_us = 0, START_US
    grants: list[tuple[int, int]] = []
    for pause, wanted in steps:
        now_us += pause * limit.interval_us // 100
        taken = take(limit, arrival_us, now_us, wanted)
        arrival_us = taken.arrival_us
        grants.append((now_us, taken.granted))
    for first, (began_us, _) in enumerate(grants):
        total = 0
        for ended_us, granted in grants[first:]:
            total += granted
            assert total <= limit.requests * (1 + (ended_us - began_us) / (limit.per_s * SECOND_US))


@given(limit=LIMITS, back_s=st.integers(1, 10**6))
def test_a_clock_that_was_set_back_costs_at_most_the_whole_limit(limit: RateLimit, back_s: int) -> None:
    spent = take(limit, 0, START_US, limit.requests)
    refused = take(limit, spent.arrival_us, START_US - back_s * SECOND_US)
    assert (refused.granted, refused.retry_after_us) == (0, limit.interval_us)


@pytest.mark.parametrize(
    ("limit", "interval_us"),
    [
        (RateLimit(1000, 60), 60_000),
        (RateLimit(7, 1), 142_858),
        (RateLimit(1, 3600), 3_600_000_000),
        (RateLimit(999_999_999, 1), 1),
    ],
)
def test_what_one_request_costs_is_rounded_up(limit: RateLimit, interval_us: int) -> None:
    assert limit.interval_us == interval_us
