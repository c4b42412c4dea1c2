"""Authorizes a payment intent at the PSP account that routing picks."""

from __future__ import annotations

from payflow.commands.call import Answer, Call
from payflow.commands.merchant_scope import FOREVER_S
from payflow.commands.ports import Ports
from payflow.commands.psp_attempt import RETRY_AFTER_S, no_psp_available
from payflow.commands.psp_operation import answered_or_refuse, operate, psp_account_of
from payflow.commands.routing_request import routing_request
from payflow.domain import fields
from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.intent.commands import StartAuthorize
from payflow.domain.intent.decision import refuse_move
from payflow.domain.intent.starting import chosen_payment_method
from payflow.domain.intent.status import IntentStatus
from payflow.domain.psp_outcome import OperationType
from payflow.domain.resources import PaymentIntentView
from payflow.domain.routing.candidate import Exclusion
from payflow.domain.routing.decision import RoutingDecision

NO_ACCOUNT = "the merchant has no PSP account"


def authorize_payment_intent(
    ports: Ports,
    call: Call,
    view: PaymentIntentView,
    payment_method: str,
    return_url: str = "",
    action_result: str = "",
) -> Answer:
    """The intent, authorized, captured, declined, waiting for the payer, or still processing."""
    intent = view.intent
    if payment_method:
        fields.payment_method(payment_method)
    if return_url:
        fields.return_url(return_url)
    fields.text("action_result", action_result, fields.ACTION_RESULT_MAX)
    try:
        decision = None if intent.psp_account_id else _route(ports, call, view, payment_method)
        account_id = decision.order[0] if decision else intent.psp_account_id
        account = psp_account_of(ports, call, intent.merchant_id, account_id)
    except PayFlowError as refusal:
        return answered_or_refuse(ports, call, intent.merchant_id, refusal)
    command = StartAuthorize(
        intent.merchant_id,
        intent.id,
        account.id,
        payment_method,
        fallbacks=decision.order[1:] if decision else (),
        return_url=return_url,
        action_result=action_result,
        decision=decision,
    )
    return operate(ports, call, account, OperationType.AUTHORIZE, command)


def _route(ports: Ports, call: Call, view: PaymentIntentView, payment_method: str) -> RoutingDecision:
    """Where it goes first, and then.

    Raises OVERLOADED where it would have to wait for a place at a PSP, and otherwise NO_PSP_AVAILABLE, saying
    why each account cannot take it.
    """
    intent = view.intent
    deadline = FOREVER_S if call.deadline is None else call.deadline
    merchant = ports.directory.find(intent.merchant_id, deadline)
    if merchant is None:
        raise no_psp_available(NO_ACCOUNT)
    if intent.status is not IntentStatus.CREATED:
        raise refuse_move(intent, "authorize")
    # What the caller has to put right comes before what only the operator can.
    chosen_payment_method(intent, payment_method, merchant.mode)
    decision = ports.route(merchant, routing_request(view), deadline)
    if not decision.order:
        raise _refusal(decision)
    return decision


def _refusal(decision: RoutingDecision) -> PayFlowError:
    if any(one.exclusion is Exclusion.BUSY for one in decision.candidates):
        message = "too many payments are waiting for the PSPs that can take this one"
        return PayFlowError(Reason.OVERLOADED, message, retry_after_s=RETRY_AFTER_S)
    return no_psp_available(_why_none(decision))


def _why_none(decision: RoutingDecision) -> str:
    reasons = ", ".join(
        f"{one.psp_account_id} ({one.exclusion.lower().replace('_', ' ')})"
        for one in decision.candidates
        if one.exclusion is not None
    )
    if not reasons:
        return NO_ACCOUNT
    return f"no PSP account of the merchant can take this payment: {reasons}"
