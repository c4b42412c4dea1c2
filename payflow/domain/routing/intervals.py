"""Confidence intervals of approval rates and of their difference, by score methods.

They hold what they promise for small numbers and rates near 1, where the textbook's normal interval does not.
Methods 3 and 10 of R. G. Newcombe, "Two-sided confidence intervals for the single proportion" and "Interval
estimation for the difference between independent proportions", Statistics in Medicine 17 (1998).
"""

from __future__ import annotations

import math
from typing import NamedTuple

# The 97.5th percentile of the standard normal distribution: intervals of 95 %.
Z = 1.959963984540054


class Interval(NamedTuple):
    """An estimate, and the bounds that hold with 95 % confidence."""

    estimate: float
    lower: float
    upper: float


def rate(successes: int, trials: int) -> Interval:
    """The rate behind ``successes`` of ``trials`` (E. B. Wilson, 1927). Without trials it is anything."""
    if trials == 0:
        return Interval(0.0, 0.0, 1.0)
    estimate = successes / trials
    spread = Z * math.sqrt(estimate * (1 - estimate) / trials + Z * Z / (4 * trials * trials))
    middle, scale = estimate + Z * Z / (2 * trials), 1 + Z * Z / trials
    lower = 0.0 if successes == 0 else (middle - spread) / scale
    upper = 1.0 if successes == trials else (middle + spread) / scale
    return Interval(estimate, lower, upper)


def difference(one: Interval, other: Interval) -> Interval:
    """How much higher the rate ``one`` is than ``other``, both from ``rate``."""
    below = math.hypot(one.estimate - one.lower, other.upper - other.estimate)
    above = math.hypot(one.upper - one.estimate, other.estimate - other.lower)
    estimate = one.estimate - other.estimate
    return Interval(estimate, estimate - below, estimate + above)
