"""Writes down operations that a PSP carried out without a call of ours."""

from __future__ import annotations

from payflow.domain.intent.attempting import new_attempt
from payflow.domain.intent.decision import Decision, Situation
from payflow.domain.intent.events import IntentEvent, PaymentIntentOperationStarted
from payflow.domain.intent.evolve import evolve
from payflow.domain.intent.finishing import finish
from payflow.domain.intent.state import (
    CancellationReason,
    IntentAggregate,
)
from payflow.domain.psp_outcome import (
    OperationType,
    Outcome,
)


def started_and_finished(
    aggregate: IntentAggregate,
    operation: OperationType,
    outcome: Outcome,
    situation: Situation,
    amount: int | None = None,
) -> Decision:
    """An operation that the PSP carried out without a call of ours: begun and ended in one commit."""
    intent = aggregate.intent
    account = situation.merchant.psp_account(intent.psp_account_id)
    attempt = new_attempt(
        intent,
        operation,
        intent.authorized_amount or intent.amount if amount is None else amount,
        account,
        situation,
        payment_method=intent.payment_method if operation is OperationType.AUTHORIZE else "",
    )
    reason = CancellationReason.PSP if operation is OperationType.CANCEL else None
    started: IntentEvent = PaymentIntentOperationStarted(attempt, reason)
    behind = evolve(aggregate, intent.merchant_id, intent.id, started, situation.now)
    finished = finish(behind, behind.attempts[attempt.id], outcome, situation)
    return Decision((started, finished))
