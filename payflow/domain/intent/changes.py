"""The small steps that applying an event is made of."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from payflow.domain.intent.events import AttemptDetails
from payflow.domain.intent.state import Attempt, AttemptState, CaptureMethod, IntentAggregate
from payflow.domain.psp_outcome import Failure, OperationType


def with_attempt(aggregate: IntentAggregate, details: AttemptDetails, at: datetime) -> IntentAggregate:
    """The aggregate with one more PSP call, written down before it is made."""
    intent = aggregate.intent
    attempt = Attempt(
        id=details.id,
        payment_intent_id=intent.id,
        operation=details.operation,
        amount=details.amount,
        currency=intent.currency,
        psp_account_id=details.psp_account_id,
        connector=details.connector,
        psp_key=details.psp_key,
        payment_method=details.payment_method,
        psp_payment_id=details.psp_payment_id,
        sale=details.operation is OperationType.AUTHORIZE
        and intent.capture_method is CaptureMethod.AUTOMATIC,
        refund_id=details.refund_id,
        idempotency_key=details.idempotency_key,
        state=AttemptState.RUNNING,
        fence=1,
        checks=0,
        due_at=details.due_at,
        started_at=at,
        return_url=details.return_url,
        action_result=details.action_result,
        undoes=details.undoes,
        undoes_transaction_id=details.undoes_transaction_id,
    )
    return replace(
        aggregate,
        intent=replace(intent, attempts_started=intent.attempts_started + 1),
        attempts={**aggregate.attempts, attempt.id: attempt},
    )


def change_attempt(aggregate: IntentAggregate, attempt_id: str, **changes: Any) -> IntentAggregate:
    """The aggregate with fields of one attempt changed."""
    attempt = replace(aggregate.attempts[attempt_id], **changes)
    return replace(aggregate, attempts={**aggregate.attempts, attempt_id: attempt})


def finish_attempt(
    aggregate: IntentAggregate,
    attempt_id: str,
    state: AttemptState,
    at: datetime,
    failure: Failure | None = None,
) -> IntentAggregate:
    """The aggregate with one attempt ended."""
    return change_attempt(aggregate, attempt_id, state=state, finished_at=at, failure=failure)


def change_intent(aggregate: IntentAggregate, **changes: Any) -> IntentAggregate:
    """The aggregate with fields of its intent changed."""
    return replace(aggregate, intent=replace(aggregate.intent, **changes))


def change_refund(aggregate: IntentAggregate, refund_id: str, **changes: Any) -> IntentAggregate:
    """The aggregate with fields of one refund changed."""
    refund = replace(aggregate.refunds[refund_id], **changes)
    return replace(aggregate, refunds={**aggregate.refunds, refund_id: refund})
