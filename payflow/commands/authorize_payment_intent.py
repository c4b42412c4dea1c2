"""Authorizes a payment intent at the PSP account that routing picks."""

from __future__ import annotations

from payflow.commands.call import Answer, Call
from payflow.commands.ports import Ports
from payflow.commands.psp_attempt import no_psp_available
from payflow.commands.psp_operation import answered_or_refuse, operate
from payflow.domain import fields
from payflow.domain.errors import PayFlowError
from payflow.domain.intent.commands import StartAuthorize
from payflow.domain.intent.decision import refuse_move
from payflow.domain.intent.starting import chosen_payment_method
from payflow.domain.intent.state import PaymentIntent
from payflow.domain.intent.status import IntentStatus
from payflow.domain.merchant.state import PspAccount
from payflow.domain.psp_outcome import OperationType


def authorize_payment_intent(
    ports: Ports,
    call: Call,
    intent: PaymentIntent,
    payment_method: str,
    return_url: str = "",
    action_result: str = "",
) -> Answer:
    """The intent, authorized, captured, declined, waiting for the payer, or still processing."""
    if payment_method:
        fields.payment_method(payment_method)
    if return_url:
        fields.return_url(return_url)
    fields.text("action_result", action_result, fields.ACTION_RESULT_MAX)
    try:
        account = _psp_account(ports, call, intent, payment_method)
    except PayFlowError as refusal:
        return answered_or_refuse(ports, call, intent.merchant_id, refusal)
    command = StartAuthorize(
        intent.merchant_id,
        intent.id,
        account.id,
        payment_method,
        return_url=return_url,
        action_result=action_result,
    )
    return operate(ports, call, account, OperationType.AUTHORIZE, command)


def _psp_account(ports: Ports, call: Call, intent: PaymentIntent, payment_method: str) -> PspAccount:
    deadline = float("inf") if call.deadline is None else call.deadline
    merchant = ports.directory.find(intent.merchant_id, deadline)
    if merchant is None:
        raise no_psp_available("the merchant has no PSP account")
    if intent.psp_account_id:
        return merchant.psp_account(intent.psp_account_id)
    if intent.status is not IntentStatus.CREATED:
        raise refuse_move(intent, "authorize")
    # What the caller has to put right comes before what only the operator can.
    chosen_payment_method(intent, payment_method, merchant.mode)
    account = ports.route(merchant, intent)
    if account is None:
        raise no_psp_available("the merchant has no enabled PSP account for this payment")
    return account
