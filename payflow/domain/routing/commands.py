"""What can be asked of a merchant's routing."""

from __future__ import annotations

from dataclasses import dataclass

from payflow.domain.routing.experiment import Arm, Guardrail, StopReason
from payflow.domain.routing.rules import RuleSet


@dataclass(frozen=True, slots=True)
class SetRoutingRules:
    """Replaces the rules by others."""

    merchant_id: str
    rules: RuleSet


@dataclass(frozen=True, slots=True)
class StartExperiment:
    """Starts an experiment, unless one is running."""

    merchant_id: str
    experiment_id: str
    name: str
    arms: tuple[Arm, ...]
    guardrail: Guardrail


@dataclass(frozen=True, slots=True)
class StopExperiment:
    """Stops the experiment that is running; ``stopped_for`` is the arm that the guardrail stops it for."""

    merchant_id: str
    experiment_id: str
    reason: StopReason = StopReason.REQUESTED
    stopped_for: str = ""


RoutingCommand = SetRoutingRules | StartExperiment | StopExperiment
