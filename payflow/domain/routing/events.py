"""What can happen to a merchant's routing. Field names are those of proto/payflow/v1/events.proto."""

from __future__ import annotations

from dataclasses import dataclass

from payflow.domain.routing.experiment import Arm, Guardrail, StopReason
from payflow.domain.routing.rules import RuleSet


@dataclass(frozen=True, slots=True)
class RoutingRulesSet:
    """The rules were replaced; their version is that of the event."""

    rules: RuleSet


@dataclass(frozen=True, slots=True)
class ExperimentStarted:
    """An experiment was started."""

    experiment_id: str
    name: str
    arms: tuple[Arm, ...]
    guardrail: Guardrail


@dataclass(frozen=True, slots=True)
class ExperimentStopped:
    """The experiment that was running was stopped."""

    experiment_id: str
    reason: StopReason
    stopped_for: str


RoutingEvent = RoutingRulesSet | ExperimentStarted | ExperimentStopped
