"""Applies one event to a merchant's routing. Replaying all of them from empty gives the same state."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from payflow.domain.routing.events import (
    ExperimentStarted,
    ExperimentStopped,
    RoutingEvent,
    RoutingRulesSet,
)
from payflow.domain.routing.experiment import Experiment, ExperimentStatus
from payflow.domain.routing.state import Routing, RulesVersion


def evolve(routing: Routing, event: RoutingEvent, at: datetime) -> Routing:
    """The routing behind one more event."""
    version = routing.version + 1
    match event:
        case RoutingRulesSet():
            return replace(routing, current=RulesVersion(routing.merchant_id, version, event.rules, at))
        case ExperimentStarted():
            started = Experiment(
                event.experiment_id,
                routing.merchant_id,
                event.name,
                event.arms,
                event.guardrail,
                version,
                at,
            )
            return replace(routing, experiment=started)
        case ExperimentStopped():
            if routing.running is None:
                raise ValueError("ExperimentStopped without one that is running")
            stopped = replace(
                routing.running,
                version=version,
                status=ExperimentStatus.STOPPED,
                stop_reason=event.reason,
                stopped_for=event.stopped_for,
                stopped_at=at,
            )
            return replace(routing, experiment=stopped)
