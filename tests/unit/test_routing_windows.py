from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payflow.domain.declines import failure
from payflow.domain.psp_outcome import (
    Accepted,
    ActionRequired,
    Approved,
    Declined,
    NextAction,
    NotExecuted,
    Outcome,
    Unknown,
)
from payflow.domain.routing.windows import HALF_LIFE, MEMORY, Window, decode, encode, merge, observe
from payflow.psp.performance import Performance, was_success
from tests.core import START
from tests.routing_inputs import psp_account

AT = START.timestamp()
PAYMENTS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 5_000), st.integers(0, 3_600)), min_size=1, max_size=60
)


def close(one: Window, other: Window) -> bool:
    sums = ((one.samples, other.samples), (one.approved, other.approved), (one.latency_ms, other.latency_ms))
    return all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9) for a, b in sums)


@given(PAYMENTS, st.integers(1, 4))
def test_what_several_processes_saw_adds_up_to_what_one_would_have_seen(
    payments: list[tuple[bool, int, int]], processes: int
) -> None:
    at, alone = AT, None
    parts: dict[int, Window] = {}
    for seen, (approved, latency_ms, pause_s) in enumerate(payments, 1):
        at += pause_s
        alone = observe(alone, approved, latency_ms, seen, at)
        mine = seen % processes
        parts[mine] = observe(parts.get(mine), approved, latency_ms, seen, at)
    assert alone is not None
    first, *others = parts.values()
    for other in others:
        first = merge(first, other)
    assert close(first.faded(alone.seen, alone.at_s), alone)


def test_the_merchants_payments_elsewhere_make_an_account_fade() -> None:
    window = observe(None, True, 100, 1, AT)
    assert window.faded(1 + MEMORY, AT).samples == pytest.approx(math.exp(-1), rel=0.01)


def test_time_makes_it_fade_too_but_never_backwards() -> None:
    window = observe(None, True, 100, 1, AT)
    assert window.faded(1, AT + HALF_LIFE.total_seconds()).samples == pytest.approx(0.5)
    assert window.faded(1, AT - 1) == window
    assert observe(window, True, 100, 2, AT - 1).at_s == AT


def test_it_never_remembers_more_than_its_memory() -> None:
    window = None
    for seen in range(1, 10 * MEMORY):
        window = observe(window, True, 100, seen, AT)
    assert window is not None and MEMORY - 1 < window.samples < MEMORY


@given(PAYMENTS)
def test_a_window_survives_being_encoded(payments: list[tuple[bool, int, int]]) -> None:
    window = None
    for seen, (approved, latency_ms, pause_s) in enumerate(payments, 1):
        window = observe(window, approved, latency_ms, seen, AT + pause_s / 1_000)
    assert window is not None and decode(encode(window)) == window


@given(st.binary(max_size=50))
def test_other_bytes_are_refused_or_a_window_that_makes_sense(content: bytes) -> None:
    try:
        window = decode(content)
    except ValueError:
        return
    assert 0 <= window.approved <= window.samples < math.inf


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Approved("psp_1"), True),
        (Declined(failure("card_declined")), False),
        (Declined(failure("insufficient_funds")), None),
        (NotExecuted(failure("psp_unreachable")), False),
        (Unknown("timed out"), False),
        (ActionRequired("psp_1", NextAction("redirect")), None),
        (Accepted("psp_1"), None),
    ],
)
def test_what_an_outcome_says_of_the_psp(outcome: Outcome, said: bool | None) -> None:
    assert was_success(outcome) is said


def test_an_account_is_known_by_its_rate_and_mean_latency() -> None:
    performance = Performance()
    for number in range(4):
        outcome = Approved("1") if number else Unknown("?")
        performance.learn(psp_account("first"), outcome, 0.1 + 0.1 * number, START)
    performance.learn(psp_account("second"), Declined(failure("insufficient_funds")), 1, START)
    known = performance.of_merchant("shop", START)
    samples, success_ppm, latency_ms = known["first"]
    assert samples == 4
    assert abs(success_ppm - 750_000) < 5_000
    assert abs(latency_ms - 250) <= 2
    assert "second" not in known
    assert performance.of_merchant("stall", START) == {}
    later = performance.of_merchant("shop", START + 2 * HALF_LIFE)
    assert later == {"first": (1, success_ppm, latency_ms)}
    assert performance.of_merchant("shop", START + 4 * HALF_LIFE) == {}


def test_the_merchant_that_was_not_heard_of_for_the_longest_is_forgotten() -> None:
    performance = Performance(merchants_max=2)
    for merchant in ("a", "b", "a", "c"):
        performance.learn(psp_account("first", merchant), Approved("1"), 1, START)
    known = [bool(performance.of_merchant(name, START)) for name in ("a", "b", "c")]
    assert known == [True, False, True]
