"""A merchant's routing: its rules and its experiment, one aggregate of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from payflow.domain.routing.candidate import Candidate
from payflow.domain.routing.decision import RoutingDecision
from payflow.domain.routing.draws import seed_of
from payflow.domain.routing.engine import decide
from payflow.domain.routing.experiment import Experiment
from payflow.domain.routing.request import RoutingRequest
from payflow.domain.routing.rules import RuleSet

NO_RULES = RuleSet()


@dataclass(frozen=True, slots=True)
class RulesVersion:
    """Rules as they were set; ``version`` is that of the merchant's routing then."""

    merchant_id: str
    version: int
    rules: RuleSet
    set_at: datetime


@dataclass(frozen=True, slots=True)
class Routing:
    """What holds now. ``experiment`` is the one that was last started, whether or not it still runs."""

    merchant_id: str
    current: RulesVersion | None = None
    experiment: Experiment | None = None

    @property
    def version(self) -> int:
        """The number of its last change; 0 before the first."""
        return max(
            self.current.version if self.current else 0,
            self.experiment.version if self.experiment else 0,
        )

    @property
    def running(self) -> Experiment | None:
        """The experiment that payments are assigned to."""
        return self.experiment if self.experiment and self.experiment.is_running else None

    def route(self, request: RoutingRequest, candidates: Iterable[Candidate]) -> RoutingDecision:
        """The decision for a payment, by the rules that hold for it."""
        seed = seed_of(request.intent_id)
        running = self.running
        arm = running.arm_of(seed) if running else None
        own = self.current.rules if self.current else NO_RULES
        return decide(
            request,
            candidates,
            own if arm is None or arm.rules is None else arm.rules,
            seed,
            rules_version=self.current.version if self.current else 0,
            experiment_id=running.id if running else "",
            arm=arm.name if arm else "",
        )


def aggregate_id(merchant_id: str) -> str:
    """The id of the event stream of a merchant's routing."""
    return f"routing:{merchant_id}"
