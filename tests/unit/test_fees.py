"""Fees: half-even, never more than what was captured."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payflow.domain.fees import BPS, FeeSchedule, fee_for
from payflow.domain.fields import AMOUNT_MAX


@pytest.mark.parametrize(
    ("amount", "schedule", "fee"),
    [
        (10_000, FeeSchedule(), 300),
        # 3 % of 50, 150, 250 and 350: halves go to the even neighbour.
        (50, FeeSchedule(), 2),
        (150, FeeSchedule(), 4),
        (250, FeeSchedule(), 8),
        (350, FeeSchedule(), 10),
        (49, FeeSchedule(), 1),
        (51, FeeSchedule(), 2),
        # Nothing to round to: 0.03 and 0.48 of a minor unit, then 0.5 to the even 0.
        (1, FeeSchedule(), 0),
        (16, FeeSchedule(), 0),
        (1, FeeSchedule(bps=5_000), 0),
        (3, FeeSchedule(bps=5_000), 2),
        (10_000, FeeSchedule(bps=0), 0),
        (10_000, FeeSchedule(bps=0, fixed=30), 30),
        (10_000, FeeSchedule(bps=290, fixed=30), 320),
        # Never more than was captured.
        (10, FeeSchedule(bps=300, fixed=30), 10),
        (10_000, FeeSchedule(bps=10_000), 10_000),
        (10_000, FeeSchedule(bps=10_000, fixed=1), 10_000),
        # Minor units are minor units: 10,000 yen and 10.000 dinars.
        (10_000, FeeSchedule(bps=300, fixed=0), 300),
        (AMOUNT_MAX, FeeSchedule(), 30_000_000_000),
    ],
)
def test_fee(amount: int, schedule: FeeSchedule, fee: int) -> None:
    assert fee_for(amount, schedule) == fee


@settings(deadline=None, derandomize=True)
@given(st.integers(1, AMOUNT_MAX), st.integers(0, BPS), st.integers(0, 1_000))
def test_fee_is_the_exact_share_rounded_half_even(amount: int, bps: int, fixed: int) -> None:
    exact = Fraction(amount * bps, BPS)
    assert fee_for(amount, FeeSchedule(bps, fixed)) == min(round(exact) + fixed, amount)
