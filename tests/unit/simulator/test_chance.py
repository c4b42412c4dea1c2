"""What happens by chance at the simulated PSP: distributions, shares and their limits."""

from __future__ import annotations

import math
from collections import Counter
from statistics import NormalDist

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from payflow.psp.simulator.behaviour import Behaviour, Declines
from payflow.psp.simulator.chance import Chance
from payflow.psp.simulator.faults import Fault, Faults
from payflow.psp.simulator.latency import (
    FixedLatency,
    Latency,
    LognormalLatency,
    NoLatency,
    UniformLatency,
)

SHARES = st.floats(0, 1, exclude_max=True)
DISTRIBUTIONS = [
    NoLatency(),
    FixedLatency(80),
    UniformLatency(10, 200),
    LognormalLatency(80, 0.7),
    LognormalLatency(80, 0.7, max_ms=100),
]


def test_a_decision_is_the_same_again_and_nothing_else_changes_it() -> None:
    assert Chance(7, "pi-1", 1).share("declined") == Chance(7, "pi-1", 1).share("declined")
    others = [Chance(8, "pi-1", 1), Chance(7, "pi-2", 1), Chance(7, "pi-1", 2)]
    shares = {other.share("declined") for other in others} | {Chance(7, "pi-1", 1).share("delayed")}
    assert len(shares) == 4
    assert Chance(7, "pi-1", 1).share("declined") not in shares


def test_shares_are_even() -> None:
    shares = [Chance(1, f"pi-{number}", 1).share("declined") for number in range(20_000)]
    assert all(0 <= share < 1 for share in shares)
    tenths = Counter(int(share * 10) for share in shares)
    # Four standard deviations: always so for this seed, and for nearly every other.
    assert all(abs(count - 2_000) < 4 * math.sqrt(20_000 * 0.1 * 0.9) for count in tenths.values())


@given(st.integers(0), st.text(max_size=30), st.integers(0, 10))
def test_nothing_happens_at_zero_and_everything_at_one(seed: int, reference: str, count: int) -> None:
    chance = Chance(seed, reference, count)
    assert not chance.happens("declined", 0.0)
    assert chance.happens("declined", 1.0)


@pytest.mark.parametrize("latency", DISTRIBUTIONS, ids=lambda one: type(one).__name__)
@given(first=SHARES, second=SHARES)
def test_a_latency_rises_with_its_share_and_is_bounded(latency: Latency, first: float, second: float) -> None:
    low, high = sorted((first, second))
    assert 0 <= latency.seconds(low) <= latency.seconds(high) <= 60


def test_distributions_have_the_values_that_define_them() -> None:
    assert FixedLatency(80).seconds(0.3) == 0.08
    assert [UniformLatency(10, 200).seconds(share) for share in (0, 0.5)] == [0.01, 0.105]
    lognormal = LognormalLatency(80, 0.7)
    assert lognormal.seconds(0.5) == pytest.approx(0.08)
    one_deviation_up = NormalDist().cdf(1)
    assert lognormal.seconds(one_deviation_up) == pytest.approx(0.08 * math.exp(0.7))
    assert LognormalLatency(80, 0.7, max_ms=100).seconds(0.99) == 0.1


@given(SHARES)
def test_each_fault_has_its_share(share: float) -> None:
    faults = Faults(error_before=0.25, reset_after=0.5)
    expected = Fault.ERROR_BEFORE if share < 0.25 else Fault.RESET_AFTER if share < 0.75 else None
    assert faults.at(share) is expected


@given(SHARES)
def test_codes_have_their_weights_whatever_order_they_are_given_in(share: float) -> None:
    declines = Declines(codes={"lost_card": 1, "acquirer_error": 3})
    assert declines.code(share) == ("acquirer_error" if share < 0.75 else "lost_card")
    assert Declines(codes={"acquirer_error": 3, "lost_card": 1}).code(share) == declines.code(share)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"faults": {"error_before": 1.1}}, "Expected `float` <= 1.0 - at `$.faults.error_before`"),
        ({"faults": {"error_before": 0.6, "reset_after": 0.5}}, "together at most 1 - at `$.faults`"),
        ({"faults": {"eror": 0.6}}, "unknown field `eror` - at `$.faults`"),
        ({"declines": {"codes": {"no_such": 1}}}, "not no_such - at `$.declines`"),
        ({"declines": {"codes": {}}}, "length >= 1 - at `$.declines.codes`"),
        ({"declines": {"codes": {"lost_card": 0}}}, "Expected `float` > 0.0 - at `$.declines.codes[...]`"),
        ({"latency": {"distribution": "normal"}}, "Invalid value 'normal' - at `$.latency.distribution`"),
        ({"latency": {"distribution": "fixed", "ms": 60_001}}, "<= 60000.0 - at `$.latency.ms`"),
        ({"latency": {"distribution": "uniform", "min_ms": 2, "max_ms": 1}}, "min_ms <= max_ms, not 2 and 1"),
        ({"latency": {"distribution": "lognormal", "median_ms": 0, "sigma": 1}}, "$.latency.median_ms"),
        ({"seed": -1}, "Expected `int` >= 0 - at `$.seed`"),
        (
            {"outages": [{"starts_at": "2030-01-01T00:00:00Z", "ends_at": "2030-01-01T00:00:00Z"}]},
            "starts_at before ends_at - at `$.outages[0]`",
        ),
        ({"outages": [{"starts_at": "2030-01-01", "ends_at": "2031-01-01"}]}, "$.outages[0].starts_at"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(settings: object, complaint: str) -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.convert(settings, Behaviour)
    assert complaint in str(refused.value)


def test_an_outage_begins_and_ends_on_time() -> None:
    outage = {"starts_at": "2030-01-01T00:00:00Z", "ends_at": "2030-01-01T00:01:00Z", "how": "closed"}
    behaviour = msgspec.convert({"outages": [outage]}, Behaviour)
    [known] = behaviour.outages
    assert behaviour.outage_at(known.starts_at) == known
    assert behaviour.outage_at(known.ends_at) is None
