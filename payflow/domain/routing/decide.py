"""decide(state, command) -> event, for a merchant's rules and experiments. Pure."""

from __future__ import annotations

from payflow.domain.errors import PayFlowError, Reason, not_found
from payflow.domain.merchant.state import Merchant
from payflow.domain.routing.commands import (
    RoutingCommand,
    SetRoutingRules,
    StartExperiment,
    StopExperiment,
)
from payflow.domain.routing.events import (
    ExperimentStarted,
    ExperimentStopped,
    RoutingEvent,
    RoutingRulesSet,
)
from payflow.domain.routing.experiment_faults import faults_of_experiment
from payflow.domain.routing.rule_faults import faults_of_rules, require_none
from payflow.domain.routing.state import Routing


def decide(routing: Routing, merchant: Merchant | None, command: RoutingCommand) -> RoutingEvent:
    """What a command makes happen. Raises PayFlowError when it is refused."""
    if merchant is None:
        raise not_found("merchant", command.merchant_id)
    match command:
        case SetRoutingRules():
            require_none(faults_of_rules(command.rules, merchant.psp_accounts))
            return RoutingRulesSet(command.rules)
        case StartExperiment():
            require_none(faults_of_experiment(command.arms, command.guardrail, merchant.psp_accounts))
            return _start(routing, command)
        case StopExperiment():
            return _stop(routing, command)


def _start(routing: Routing, command: StartExperiment) -> ExperimentStarted:
    running = routing.running
    if running is not None:
        raise PayFlowError(
            Reason.INVALID_STATE_TRANSITION,
            f"the experiment {running.id} is running; a merchant has one at a time",
            subject=running.id,
        )
    return ExperimentStarted(command.experiment_id, command.name, command.arms, command.guardrail)


def _stop(routing: Routing, command: StopExperiment) -> ExperimentStopped:
    running = routing.running
    if running is None or running.id != command.experiment_id:
        raise PayFlowError(
            Reason.INVALID_STATE_TRANSITION,
            f"the experiment {command.experiment_id!r} is not running",
            subject=command.experiment_id,
        )
    return ExperimentStopped(running.id, command.reason, command.stopped_for)
