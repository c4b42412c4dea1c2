"""What an experiment has come to, arm by arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from payflow.domain.fees import BPS
from payflow.domain.routing import intervals
from payflow.domain.routing.experiment import Experiment, Guardrail
from payflow.domain.routing.guardrail import Decided, harms
from payflow.domain.routing.intervals import Interval


@dataclass(frozen=True, slots=True)
class Tally:
    """The payments of an arm in one currency.

    ``amount`` and ``cost`` are sums in its minor units over those that were approved, the cost as it was
    estimated when they were routed.
    """

    currency: str
    assigned: int
    approved: int
    declined: int
    amount: int
    cost: int

    @property
    def mean_cost(self) -> int:
        """Of an approved payment, in minor units, rounded half up."""
        return _rounded(self.cost, self.approved)

    @property
    def cost_bps(self) -> int:
        """Of the approved amount, in hundredths of a percent, rounded half up."""
        return _rounded(self.cost * BPS, self.amount)


def _rounded(sum_: int, of: int) -> int:
    return (2 * sum_ + of) // (2 * of) if of else 0


@dataclass(frozen=True, slots=True)
class ArmResult:
    """``approval_rate`` is of the payments that were approved or declined; ``difference`` is what it is above
    the control's, None for the control itself."""

    name: str
    tallies: tuple[Tally, ...]
    assigned: int
    decided: Decided
    approval_rate: Interval
    difference: Interval | None


def results_of(experiment: Experiment, tallies: Mapping[str, Sequence[Tally]]) -> tuple[ArmResult, ...]:
    """One for each arm, in their order; ``tallies`` are by arm."""
    found: list[ArmResult] = []
    for arm in experiment.arms:
        own = tuple(tallies.get(arm.name, ()))
        decided = Decided(sum(one.approved for one in own), sum(one.declined for one in own))
        rate = intervals.rate(decided.approved, decided.total)
        difference = intervals.difference(rate, found[0].approval_rate) if found else None
        assigned = sum(one.assigned for one in own)
        found.append(ArmResult(arm.name, own, assigned, decided, rate, difference))
    return tuple(found)


def harmful_arm(results: Sequence[ArmResult], guardrail: Guardrail) -> str:
    """The first arm that harms; empty where none does."""
    control, *others = results
    harmful = (one.name for one in others if harms(control.decided, one.decided, guardrail))
    return next(harmful, "")
