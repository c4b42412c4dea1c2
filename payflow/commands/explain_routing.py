"""Says why a payment went where it did, and where other rules would have sent it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from payflow.commands import merchant_scope
from payflow.commands.ports import Ports
from payflow.commands.routing_request import routing_request
from payflow.domain.errors import not_found
from payflow.domain.intent.state import Attempt
from payflow.domain.psp_outcome import Failure, OperationType
from payflow.domain.routing.decision import RoutingDecision
from payflow.domain.routing.engine import decide
from payflow.domain.routing.rule_faults import faults_of_rules, require_none
from payflow.domain.routing.rules import RuleSet

STEPS_MAX = 100


@dataclass(frozen=True, slots=True)
class Step:
    """A call to a PSP that a payment made; ``failure`` is why it came to nothing, where it did."""

    id: str
    operation: OperationType
    psp_account_id: str
    connector: str
    state: str
    started_at: datetime
    finished_at: datetime | None
    failure: Failure | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision, what came of it, and what other rules would have made of the same."""

    decision: RoutingDecision
    decided_at: datetime
    attempts: tuple[Step, ...]
    what_if: RoutingDecision | None


def explain_routing(
    ports: Ports, intent_id: str, merchant_id: str, what_if: RuleSet | None, deadline: float
) -> Explanation:
    """NOT_FOUND where there is no such payment, or none of its authorizations was ever routed."""
    owner = merchant_scope.owner_of(ports, "payment intent", intent_id, merchant_id, deadline)
    view = ports.payments.payment_intent(owner, intent_id, deadline)
    if view is None:
        raise not_found("payment intent", intent_id)
    found = ports.routing.decision(owner, intent_id, deadline)
    if found is None:
        raise not_found("routing decision of a payment intent", intent_id)
    decision, decided_at = found
    made = ports.attempts.of_intent(owner, intent_id, deadline)
    attempts = tuple(_step(one) for one in made[:STEPS_MAX])
    if what_if is None:
        return Explanation(decision, decided_at, attempts, None)
    # As of now: accounts are never deleted, and those that came later are left out by the engine.
    merchant = ports.directory.read(owner, deadline)
    accounts = merchant.psp_accounts if merchant else ()
    require_none(faults_of_rules(what_if, accounts, "what_if."))
    other = decide(routing_request(view), decision.candidates, what_if, decision.seed)
    return Explanation(decision, decided_at, attempts, other)


def _step(attempt: Attempt) -> Step:
    return Step(
        attempt.id,
        attempt.operation,
        attempt.psp_account_id,
        attempt.connector,
        attempt.state.lower(),
        attempt.started_at,
        attempt.finished_at,
        attempt.failure,
    )
