"""Folds the commands that change a merchant's routing."""

from __future__ import annotations

from payflow.domain.folding.recording import Happening, record
from payflow.domain.folding.submission import Applied, Submission
from payflow.domain.folding.working_set import Changes, WorkingSet
from payflow.domain.routing.commands import RoutingCommand, SetRoutingRules
from payflow.domain.routing.decide import decide
from payflow.domain.routing.evolve import evolve
from payflow.domain.routing.experiment import Experiment
from payflow.domain.routing.state import Routing, RulesVersion, aggregate_id


def fold_routing(
    working: WorkingSet, changes: Changes, submission: Submission, command: RoutingCommand
) -> Applied:
    """What the command made happen. Raises PayFlowError when it is refused."""
    merchant_id = command.merchant_id
    before = working.routings.get(merchant_id, Routing(merchant_id))
    event = decide(before, working.merchants.get(merchant_id), command)
    after = evolve(before, event, submission.now)
    working.routings[merchant_id] = after
    record(changes, submission, [Happening(aggregate_id(merchant_id), after.version, event)])
    return Applied(_changed(changes, command, after), (event,))


def _changed(changes: Changes, command: RoutingCommand, after: Routing) -> RulesVersion | Experiment:
    if isinstance(command, SetRoutingRules):
        assert after.current is not None
        changes.routing_rules.append(after.current)
        return after.current
    assert after.experiment is not None
    changes.experiments[command.merchant_id, after.experiment.id] = after.experiment
    return after.experiment
