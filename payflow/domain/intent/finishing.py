"""Decides what a PSP's answer means: everything behind the call."""

from __future__ import annotations

from datetime import timedelta

from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.fees import fee_for
from payflow.domain.intent.commands import RecordOutcome, ResumeAttempt, ReverseCapture, ReverseRefund
from payflow.domain.intent.decision import Decision, Situation, refuse_move
from payflow.domain.intent.events import (
    AttemptOutcomeUnknown,
    AttemptParked,
    AttemptResumed,
    IntentEvent,
    PaymentIntentActionRequired,
    PaymentIntentAuthorized,
    PaymentIntentCanceled,
    PaymentIntentCaptured,
    PaymentIntentCaptureReversed,
    PaymentIntentFailed,
    PaymentIntentOperationAborted,
    RefundFailed,
    RefundReversed,
    RefundSucceeded,
)
from payflow.domain.intent.state import (
    Attempt,
    AttemptState,
    CancellationReason,
    IntentAggregate,
    PaymentIntent,
)
from payflow.domain.intent.status import IntentStatus, RefundStatus
from payflow.domain.ledger import posting_rules
from payflow.domain.ledger.transaction import DraftTransaction
from payflow.domain.psp_outcome import (
    ActionRequired,
    Approved,
    Declined,
    NotExecuted,
    OperationType,
    Unknown,
)

CHECK_SCHEDULE = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(days=1),
)


def resume(aggregate: IntentAggregate, command: ResumeAttempt, situation: Situation) -> Decision:
    """Raises the fence of an attempt that is due; says nothing when somebody else was first."""
    attempt = aggregate.attempts.get(command.attempt_id)
    if attempt is None or not is_due(attempt, situation) or attempt.fence != command.fence:
        return Decision()
    # How many who held it never wrote an outcome down. Each next one gets longer, and then an operator does.
    vanished = attempt.fence - attempt.checks - 1
    if vanished > len(CHECK_SCHEDULE):
        return Decision((AttemptParked(attempt.id),), refund_id=attempt.refund_id)
    patience = CHECK_SCHEDULE[vanished - 1] if vanished > 0 else timedelta(0)
    event = AttemptResumed(attempt.id, attempt.fence + 1, situation.now + situation.lease + patience)
    return Decision((event,), attempt_id=attempt.id, refund_id=attempt.refund_id)


def is_due(attempt: Attempt, situation: Situation) -> bool:
    """Whether its lease, or the wait before its next check, has run out."""
    waiting = attempt.state in (AttemptState.RUNNING, AttemptState.UNKNOWN)
    return waiting and attempt.due_at <= situation.now


def record(aggregate: IntentAggregate, command: RecordOutcome, situation: Situation) -> Decision:
    """Writes an outcome down once; under a fence that has moved on it changes nothing."""
    attempt = aggregate.attempts.get(command.attempt_id)
    if attempt is None:
        raise ValueError(f"no attempt {command.attempt_id}")
    if not attempt.is_open or attempt.fence != command.fence:
        return Decision(refund_id=attempt.refund_id)
    if isinstance(command.outcome, Unknown):
        event: IntentEvent = _unknown(attempt, situation)
    elif attempt.operation is OperationType.REFUND:
        event = _finish_refund(aggregate, attempt, command, situation)
    else:
        event = _FINISH[attempt.operation](aggregate.intent, attempt, command, situation)
    return Decision((event,), refund_id=attempt.refund_id)


def _unknown(attempt: Attempt, situation: Situation) -> IntentEvent:
    if attempt.checks >= len(CHECK_SCHEDULE):
        return AttemptParked(attempt.id)
    due_at = situation.now + CHECK_SCHEDULE[attempt.checks]
    return AttemptOutcomeUnknown(attempt.id, attempt.checks + 1, due_at)


def _finish_authorize(
    intent: PaymentIntent, attempt: Attempt, command: RecordOutcome, situation: Situation
) -> IntentEvent:
    match command.outcome:
        case Approved() as approved if attempt.sale:
            return _captured(intent, attempt, approved.psp_id, situation)
        case Approved() as approved:
            hold = posting_rules.authorized(intent.book, situation.new_id("txn"), attempt.amount)
            return PaymentIntentAuthorized(
                attempt.id, approved.psp_id, attempt.amount, approved.authorization_expires_at, hold
            )
        case ActionRequired(psp_id, next_action):
            return PaymentIntentActionRequired(attempt.id, psp_id, next_action)
        case Declined(failure, psp_id):
            return PaymentIntentFailed(attempt.id, psp_id, failure)
        case _:
            return _aborted(attempt, command, situation)


def _finish_capture(
    intent: PaymentIntent, attempt: Attempt, command: RecordOutcome, situation: Situation
) -> IntentEvent:
    match command.outcome:
        case Approved():
            return _captured(intent, attempt, intent.psp_payment_id, situation)
        case Declined(failure, _) if not failure.retryable:
            return PaymentIntentFailed(attempt.id, intent.psp_payment_id, failure, _void(intent, situation))
        case _:
            return _aborted(attempt, command, situation)


def _finish_cancel(
    intent: PaymentIntent, attempt: Attempt, command: RecordOutcome, situation: Situation
) -> IntentEvent:
    reason = _cancellation_reason(intent)
    declined = isinstance(command.outcome, Declined) and not command.outcome.failure.retryable
    gone_at_psp = declined and reason is CancellationReason.EXPIRED
    if isinstance(command.outcome, Approved) or gone_at_psp:
        return PaymentIntentCanceled(reason, attempt.id, _void(intent, situation))
    return _aborted(attempt, command, situation)


def _finish_refund(
    aggregate: IntentAggregate, attempt: Attempt, command: RecordOutcome, situation: Situation
) -> IntentEvent:
    intent, refund = aggregate.intent, aggregate.refunds[attempt.refund_id]
    transaction_id = situation.new_id("txn")
    match command.outcome:
        case Approved(psp_id):
            posting = posting_rules.refunded(intent.book, transaction_id, refund.hold)
            return RefundSucceeded(refund.id, attempt.id, psp_id, posting)
        case Declined(failure) | NotExecuted(failure):
            void = posting_rules.refund_voided(intent.book, transaction_id, refund.hold)
            return RefundFailed(refund.id, attempt.id, failure, void)
        case _:
            return _unknown(attempt, situation)


_FINISH = {
    OperationType.AUTHORIZE: _finish_authorize,
    OperationType.CAPTURE: _finish_capture,
    OperationType.CANCEL: _finish_cancel,
}


def _captured(intent: PaymentIntent, attempt: Attempt, psp_id: str, situation: Situation) -> IntentEvent:
    fee = fee_for(attempt.amount, situation.merchant.psp_account(intent.psp_account_id).fees)
    posting = posting_rules.captured(intent.book, situation.new_id("txn"), attempt.amount, fee, intent.hold)
    return PaymentIntentCaptured(attempt.id, psp_id, attempt.amount, fee, posting)


def _aborted(attempt: Attempt, command: RecordOutcome, situation: Situation) -> IntentEvent:
    if isinstance(command.outcome, Declined | NotExecuted):
        return PaymentIntentOperationAborted(attempt.id, command.outcome.failure)
    return _unknown(attempt, situation)


def _void(intent: PaymentIntent, situation: Situation) -> DraftTransaction | None:
    if intent.hold is None:
        return None
    return posting_rules.authorization_voided(intent.book, situation.new_id("txn"), intent.hold)


def _cancellation_reason(intent: PaymentIntent) -> CancellationReason:
    reason = intent.operation.cancellation_reason if intent.operation else None
    return reason or CancellationReason.REQUESTED


def reverse_capture(aggregate: IntentAggregate, command: ReverseCapture, situation: Situation) -> Decision:
    """The exact reversal of a capture that nothing was refunded of."""
    intent = aggregate.intent
    if intent.status is not IntentStatus.CAPTURED or intent.refundable_amount != intent.captured_amount:
        raise refuse_move(intent, "reverse the capture of")
    posting = posting_rules.capture_reversed(
        intent.book,
        situation.new_id("txn"),
        intent.captured_amount,
        intent.fee_amount,
        intent.capture_transaction_id,
    )
    return Decision((PaymentIntentCaptureReversed(command.failure, posting),))


def reverse_refund(aggregate: IntentAggregate, command: ReverseRefund, situation: Situation) -> Decision:
    """The exact reversal of a refund; its amount may be refunded again."""
    refund = aggregate.refunds.get(command.refund_id)
    if refund is None or refund.status is not RefundStatus.REFUNDED:
        raise PayFlowError(
            Reason.INVALID_STATE_TRANSITION,
            "only a refund that succeeded can fail later",
            subject=command.refund_id,
        )
    posting = posting_rules.refund_reversed(
        aggregate.intent.book, situation.new_id("txn"), refund.amount, refund.refund_transaction_id
    )
    return Decision((RefundReversed(refund.id, command.failure, posting),), refund_id=refund.id)
