"""Whether an experiment's arm does so much worse than the control that the experiment has to end.

The question is asked again and again while the numbers grow, which a test for one look does not survive.
So it is answered by an always-valid bound, the mixture sequential probability ratio test of the difference
of two rates (R. Johari, P. Koomen, L. Pekelis and D. Walsh, "Always Valid Inference: Continuous Monitoring
of A/B Tests", Operations Research 70 (2022), section 5): an arm that is no worse than the control by more
than the margin is stopped with a probability of at most ALPHA, however often one looks.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from payflow.domain.fees import BPS
from payflow.domain.routing.experiment import Guardrail

ALPHA = 0.05
# The standard deviation of differences that the mixture expects. It decides how soon which are found, never
# how often there is a false alarm; 0.05 finds drops of several points with the fewest payments.
EXPECTED_DIFFERENCE = 0.05


class Decided(NamedTuple):
    """Payments of an arm that were approved or declined."""

    approved: int
    declined: int

    @property
    def total(self) -> int:
        """Both."""
        return self.approved + self.declined


def harms(control: Decided, arm: Decided, guardrail: Guardrail) -> bool:
    """Whether ``arm`` is below ``control`` by more than the margin, beyond doubt."""
    if min(control.total, arm.total) < guardrail.samples_min:
        return False
    lost = control.approved / control.total - arm.approved / arm.total
    return lost - _doubt(_variance(control) + _variance(arm)) > guardrail.margin_bps / BPS


def _variance(one: Decided) -> float:
    """Of an arm's rate; never 0, as it would be where everything was approved so far."""
    rate = (one.approved + 1) / (one.total + 2)
    return rate * (1 - rate) / one.total


def _doubt(variance: float) -> float:
    """How far the difference may be off, at all looks together, with a probability of 1 - ALPHA."""
    mixture = EXPECTED_DIFFERENCE * EXPECTED_DIFFERENCE
    widening = (variance + mixture) / variance
    return math.sqrt(2 * variance * (variance + mixture) / mixture * math.log(math.sqrt(widening) / ALPHA))
