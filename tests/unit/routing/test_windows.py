from __future__ import annotations

import math

import pytest

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
from payflow.domain.routing.windows import HALF_LIFE, MEMORY, observe
from payflow.psp.performance import Performance, was_success
from tests.core import START
from tests.routing_inputs import psp_account

AT = START.timestamp()


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


def test_who_reads_while_another_teaches_always_finds_the_merchant() -> None:
    performance = Performance()
    performance.learn(psp_account("first"), Approved("1"), 1, START)
    found = []

    class Watched(str):
        """A merchant's id that is read by whenever anything is looked up by it."""

        __slots__ = ()

        def __hash__(self) -> int:
            found.append(bool(performance.of_merchant("shop", START)))
            return super().__hash__()

    performance.learn(psp_account("first", Watched("shop")), Approved("1"), 1, START)
    assert found and all(found)
