"""Cancels a payment intent that took no money."""

from __future__ import annotations

from payflow.commands.call import Answer, Call, commit_and_answer
from payflow.commands.ports import Ports
from payflow.commands.psp_operation import operate, psp_account_of
from payflow.domain.intent.commands import StartCancel
from payflow.domain.intent.state import CancellationReason, PaymentIntent
from payflow.domain.psp_outcome import OperationType


def cancel_payment_intent(
    ports: Ports,
    call: Call,
    intent: PaymentIntent,
    reason: CancellationReason = CancellationReason.REQUESTED,
) -> Answer:
    """The intent, canceled; what a PSP knows of is voided there first."""
    if not intent.psp:
        local = StartCancel(intent.merchant_id, intent.id, reason, may_call_psp=False)
        return commit_and_answer(ports, call, lambda _: local)
    command = StartCancel(intent.merchant_id, intent.id, reason)
    account = psp_account_of(ports, call, intent.merchant_id, intent.psp_account_id)
    return operate(ports, call, account, OperationType.CANCEL, command)
