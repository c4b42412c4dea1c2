"""Refunds a captured payment intent."""

from __future__ import annotations

from payflow.commands.call import Answer, Call
from payflow.commands.ports import Ports
from payflow.commands.psp_operation import answered_or_refuse, operate, psp_account_of
from payflow.domain import fields
from payflow.domain.intent.commands import StartRefund
from payflow.domain.intent.decision import refuse_move
from payflow.domain.intent.state import PaymentIntent
from payflow.domain.psp_outcome import OperationType
from payflow.domain.texts import Texts


def create_refund(
    ports: Ports, call: Call, intent: PaymentIntent, amount: int | None, texts: Texts
) -> Answer:
    """The refund; None gives back all that is left."""
    if amount is not None:
        fields.amount("amount", amount)
    fields.text("reason", texts.text, fields.REASON_MAX)
    fields.metadata(texts.metadata)
    if not intent.psp:
        return answered_or_refuse(ports, call, intent.merchant_id, refuse_move(intent, "refund"))
    command = StartRefund(intent.merchant_id, intent.id, amount, texts)
    account = psp_account_of(ports, call, intent.merchant_id, intent.psp_account_id)
    return operate(ports, call, account, OperationType.REFUND, command)
