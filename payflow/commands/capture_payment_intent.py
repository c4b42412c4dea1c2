"""Captures an authorized payment intent."""

from __future__ import annotations

from payflow.commands.call import Answer, Call
from payflow.commands.ports import Ports
from payflow.commands.psp_operation import answered_or_refuse, operate, psp_account_of
from payflow.domain import fields
from payflow.domain.intent.commands import StartCapture
from payflow.domain.intent.decision import refuse_move
from payflow.domain.intent.state import PaymentIntent
from payflow.domain.psp_outcome import OperationType


def capture_payment_intent(ports: Ports, call: Call, intent: PaymentIntent, amount: int | None) -> Answer:
    """The intent, captured; None takes all that is authorized.

    Raises VALIDATION_FAILED for a part of it where the PSP declares that it captures none.
    """
    if amount is not None:
        fields.amount("amount", amount)
    if not intent.psp:
        return answered_or_refuse(ports, call, intent.merchant_id, refuse_move(intent, "capture"))
    account = psp_account_of(ports, call, intent.merchant_id, intent.psp_account_id)
    connector = ports.connectors.get(account.connector)
    may_be_partial = connector is None or connector.capabilities.partial_capture
    command = StartCapture(intent.merchant_id, intent.id, amount, may_be_partial)
    return operate(ports, call, account, OperationType.CAPTURE, command)
