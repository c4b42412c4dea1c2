"""Applies one event to a payment intent. Replaying all of them from empty gives the same state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from payflow.domain.intent import events as e
from payflow.domain.intent import evolve_attempts, evolve_refunds
from payflow.domain.intent.changes import change_attempt, change_intent, finish_attempt, with_attempt
from payflow.domain.intent.state import (
    DEFAULT_PAYMENT_METHOD_TYPE,
    AttemptState,
    IntentAggregate,
    Operation,
    PaymentIntent,
)
from payflow.domain.intent.status import IntentStatus, require_allowed


def evolve(
    aggregate: IntentAggregate | None, merchant_id: str, intent_id: str, event: e.IntentEvent, at: datetime
) -> IntentAggregate:
    """The aggregate behind one more event. Raises ValueError for a move that is not allowed."""
    if isinstance(event, e.PaymentIntentCreated):
        return IntentAggregate(
            PaymentIntent(
                intent_id,
                merchant_id,
                event.amount,
                event.currency,
                IntentStatus.CREATED,
                event.capture_method,
                event.payment_method,
                at,
                at,
                payment_method_type=event.payment_method_type or DEFAULT_PAYMENT_METHOD_TYPE,
                country=event.country,
            )
        )
    if aggregate is None:
        raise ValueError(f"{type(event).__name__} before PaymentIntentCreated")
    intent = aggregate.intent
    current = replace(aggregate, intent=replace(intent, version=intent.version + 1, updated_at=at))
    behind = _APPLY[type(event)](current, event, at)
    require_allowed(intent.status, behind.intent.status)
    return behind


def _routed(aggregate: IntentAggregate, event: e.PaymentIntentRouted, at: datetime) -> IntentAggregate:
    decision = event.decision
    return change_intent(
        aggregate,
        experiment_id=decision.experiment_id,
        experiment_arm=decision.arm,
        routing_cost=decision.cost,
    )


def _operation_started(
    aggregate: IntentAggregate, event: e.PaymentIntentOperationStarted, at: datetime
) -> IntentAggregate:
    intent, details = aggregate.intent, event.attempt
    operation = Operation(
        details.operation,
        details.amount,
        at,
        details.id,
        intent.status,
        event.cancellation_reason,
        event.fallbacks,
        event.fallback_costs,
    )
    started = replace(
        intent,
        status=IntentStatus.PROCESSING,
        operation=operation,
        failure=None,
        psp=details.connector,
        psp_account_id=details.psp_account_id,
        payment_method=details.payment_method or intent.payment_method,
    )
    return with_attempt(replace(aggregate, intent=started), details, at)


def _aborted(
    aggregate: IntentAggregate, event: e.PaymentIntentOperationAborted, at: datetime
) -> IntentAggregate:
    operation = aggregate.intent.operation
    if operation is None:
        raise ValueError("no operation is in flight")
    finished = finish_attempt(aggregate, event.attempt_id, AttemptState.NOT_EXECUTED, at, event.failure)
    back = change_intent(finished, status=operation.resumes, operation=None, failure=event.failure)
    if operation.resumes is IntentStatus.CREATED:
        return change_intent(back, psp="", psp_account_id="", psp_payment_id="")
    return back


def _failed_over(
    aggregate: IntentAggregate, event: e.PaymentIntentFailedOver, at: datetime
) -> IntentAggregate:
    operation = aggregate.intent.operation
    if operation is None:
        raise ValueError("no operation is in flight")
    state = AttemptState.DECLINED if event.declined else AttemptState.NOT_EXECUTED
    finished = finish_attempt(aggregate, event.attempt_id, state, at, event.failure)
    again = replace(
        operation,
        attempt_id=event.attempt.id,
        fallbacks=event.fallbacks,
        fallback_costs=event.fallback_costs,
    )
    moved = change_intent(
        finished,
        operation=again,
        routing_cost=event.routing_cost,
        psp=event.attempt.connector,
        psp_account_id=event.attempt.psp_account_id,
        psp_payment_id="",
    )
    return with_attempt(moved, event.attempt, at)


def _action_required(
    aggregate: IntentAggregate, event: e.PaymentIntentActionRequired, at: datetime
) -> IntentAggregate:
    return change_intent(
        finish_attempt(aggregate, event.attempt_id, AttemptState.SUCCEEDED, at),
        status=IntentStatus.REQUIRES_ACTION,
        operation=None,
        psp_payment_id=event.psp_payment_id,
        next_action=event.next_action,
    )


def _authorized(
    aggregate: IntentAggregate, event: e.PaymentIntentAuthorized, at: datetime
) -> IntentAggregate:
    return change_intent(
        finish_attempt(aggregate, event.attempt_id, AttemptState.SUCCEEDED, at),
        status=IntentStatus.AUTHORIZED,
        operation=None,
        next_action=None,
        psp_payment_id=event.psp_payment_id,
        authorized_amount=event.authorized_amount,
        authorized_at=at,
        authorization_expires_at=event.authorization_expires_at,
        hold_transaction_id=event.transaction.id,
    )


def _captured(aggregate: IntentAggregate, event: e.PaymentIntentCaptured, at: datetime) -> IntentAggregate:
    intent = aggregate.intent
    return change_intent(
        finish_attempt(aggregate, event.attempt_id, AttemptState.SUCCEEDED, at),
        status=IntentStatus.CAPTURED,
        operation=None,
        next_action=None,
        psp_payment_id=event.psp_payment_id,
        authorized_amount=intent.authorized_amount or event.captured_amount,
        authorized_at=intent.authorized_at or at,
        captured_amount=event.captured_amount,
        fee_amount=event.fee_amount,
        captured_at=at,
        hold_transaction_id="",
        capture_transaction_id=event.transaction.id,
    )


def _canceled(aggregate: IntentAggregate, event: e.PaymentIntentCanceled, at: datetime) -> IntentAggregate:
    if event.attempt_id:
        aggregate = finish_attempt(aggregate, event.attempt_id, AttemptState.SUCCEEDED, at)
        aggregate = change_attempt(aggregate, event.attempt_id, psp_reference=event.psp_reference)
    return change_intent(
        aggregate,
        status=IntentStatus.CANCELED,
        operation=None,
        next_action=None,
        cancellation_reason=event.reason,
        canceled_at=at,
        hold_transaction_id="",
    )


def _failed(aggregate: IntentAggregate, event: e.PaymentIntentFailed, at: datetime) -> IntentAggregate:
    return change_intent(
        finish_attempt(aggregate, event.attempt_id, AttemptState.DECLINED, at, event.failure),
        status=IntentStatus.FAILED,
        operation=None,
        next_action=None,
        psp_payment_id=event.psp_payment_id or aggregate.intent.psp_payment_id,
        failure=event.failure,
        hold_transaction_id="",
    )


def _capture_reversed(
    aggregate: IntentAggregate, event: e.PaymentIntentCaptureReversed, at: datetime
) -> IntentAggregate:
    return change_intent(aggregate, status=IntentStatus.FAILED, failure=event.failure, captured_amount=0)


_APPLY: dict[type, Callable[[IntentAggregate, Any, datetime], IntentAggregate]] = {
    e.PaymentIntentRouted: _routed,
    e.PaymentIntentOperationStarted: _operation_started,
    e.PaymentIntentFailedOver: _failed_over,
    e.AttemptResumed: evolve_attempts.resumed,
    e.AttemptOutcomeUnknown: evolve_attempts.unknown,
    e.AttemptAccepted: evolve_attempts.accepted,
    e.AttemptParked: evolve_attempts.parked,
    e.AttemptStrayed: evolve_attempts.strayed,
    e.AttemptUndone: evolve_attempts.undone,
    e.PaymentIntentOperationAborted: _aborted,
    e.PaymentIntentActionRequired: _action_required,
    e.PaymentIntentAuthorized: _authorized,
    e.PaymentIntentCaptured: _captured,
    e.PaymentIntentCanceled: _canceled,
    e.PaymentIntentFailed: _failed,
    e.PaymentIntentCaptureReversed: _capture_reversed,
    e.RefundCreated: evolve_refunds.refund_created,
    e.RefundSucceeded: evolve_refunds.refund_succeeded,
    e.RefundFailed: evolve_refunds.refund_failed,
    e.RefundReversed: evolve_refunds.refund_reversed,
}
