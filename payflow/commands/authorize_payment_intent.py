"""Authorizes a payment intent at the PSP account that routing picks."""

from __future__ import annotations

from payflow.commands.call import Answer, Call
from payflow.commands.ports import Ports
from payflow.commands.psp_attempt import no_psp_available
from payflow.commands.psp_operation import answered_or_refuse, operate
from payflow.commands.routing_request import routing_request
from payflow.domain import fields
from payflow.domain.errors import PayFlowError
from payflow.domain.intent.commands import StartAuthorize
from payflow.domain.intent.decision import refuse_move
from payflow.domain.intent.starting import chosen_payment_method
from payflow.domain.intent.status import IntentStatus
from payflow.domain.merchant.state import Merchant
from payflow.domain.resources import PaymentIntentView
from payflow.domain.routing.decision import RoutingDecision


def authorize_payment_intent(
    ports: Ports, call: Call, view: PaymentIntentView, payment_method: str
) -> Answer:
    """The intent, authorized, captured, declined, waiting for the payer, or still processing."""
    intent = view.intent
    if payment_method:
        fields.payment_method(payment_method)
    deadline = float("inf") if call.deadline is None else call.deadline
    try:
        merchant = _merchant(ports, intent.merchant_id, deadline)
        decision = None if intent.psp_account_id else _route(ports, merchant, view, payment_method, deadline)
    except PayFlowError as refusal:
        return answered_or_refuse(ports, call, intent.merchant_id, refusal)
    account = merchant.psp_account(decision.order[0] if decision else intent.psp_account_id)
    command = StartAuthorize(intent.merchant_id, intent.id, account.id, payment_method, decision=decision)
    return operate(ports, call, intent.merchant_id, account.connector, lambda _: command)


def _merchant(ports: Ports, merchant_id: str, deadline: float) -> Merchant:
    merchant = ports.directory.find(merchant_id, deadline)
    if merchant is None:
        raise no_psp_available("the merchant has no PSP account")
    return merchant


def _route(
    ports: Ports, merchant: Merchant, view: PaymentIntentView, payment_method: str, deadline: float
) -> RoutingDecision:
    """Where it goes first, and then. Raises NO_PSP_AVAILABLE, saying why each account cannot take it."""
    if view.intent.status is not IntentStatus.CREATED:
        raise refuse_move(view.intent, "authorize")
    # What the caller has to put right comes before what only the operator can.
    chosen_payment_method(view.intent, payment_method, merchant.mode)
    decision = ports.route(merchant, routing_request(view), deadline)
    if not decision.order:
        raise no_psp_available(_why_none(decision))
    return decision


def _why_none(decision: RoutingDecision) -> str:
    reasons = ", ".join(
        f"{one.psp_account_id} ({one.exclusion.lower().replace('_', ' ')})"
        for one in decision.candidates
        if one.exclusion is not None
    )
    if not reasons:
        return "the merchant has no PSP account"
    return f"no PSP account of the merchant can take this payment: {reasons}"
