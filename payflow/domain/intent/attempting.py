"""Writes PSP calls down before they are made."""

from __future__ import annotations

from typing import Any

from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.intent.decision import Situation
from payflow.domain.intent.events import AttemptDetails
from payflow.domain.intent.state import PaymentIntent
from payflow.domain.merchant.state import PspAccount
from payflow.domain.psp_outcome import OperationType

ATTEMPTS_MAX = 1_000
LIMITED_OPERATIONS = (OperationType.AUTHORIZE, OperationType.REFUND)


def new_attempt(
    intent: PaymentIntent,
    operation: OperationType,
    amount: int,
    account: PspAccount,
    situation: Situation,
    **details: Any,
) -> AttemptDetails:
    """The next call for an intent, about the payment that its PSP has already unless ``details`` differ.

    Raises LIMIT_REACHED.
    """
    # Never for a capture or a cancel: money that is reserved must always find its end.
    if operation in LIMITED_OPERATIONS and intent.attempts_started >= ATTEMPTS_MAX:
        raise PayFlowError(Reason.LIMIT_REACHED, f"a payment intent has at most {ATTEMPTS_MAX} PSP calls")
    values = {
        "psp_payment_id": intent.psp_payment_id,
        "idempotency_key": situation.idempotency_key,
    } | details
    return AttemptDetails(
        id=situation.new_id("att"),
        operation=operation,
        amount=amount,
        psp_account_id=account.id,
        connector=account.connector,
        psp_key=f"{intent.id}-{intent.attempts_started + 1}",
        due_at=situation.now + situation.lease,
        **values,
    )
