"""Decides what a PSP's answer means: everything behind the call."""

from __future__ import annotations

from datetime import datetime

from payflow.domain.fees import fee_for
from payflow.domain.intent import straying
from payflow.domain.intent.commands import RecordOutcome
from payflow.domain.intent.decision import Decision, Situation
from payflow.domain.intent.events import (
    IntentEvent,
    PaymentIntentActionRequired,
    PaymentIntentAuthorized,
    PaymentIntentCanceled,
    PaymentIntentCaptured,
    PaymentIntentFailed,
    PaymentIntentOperationAborted,
    RefundFailed,
    RefundSucceeded,
)
from payflow.domain.intent.failing_over import fail_over
from payflow.domain.intent.state import Attempt, CancellationReason, IntentAggregate, PaymentIntent
from payflow.domain.intent.waiting import accept, wait_for_check
from payflow.domain.ledger import posting_rules
from payflow.domain.ledger.transaction import DraftTransaction
from payflow.domain.psp_outcome import (
    Accepted,
    ActionRequired,
    Approved,
    Declined,
    NotExecuted,
    OperationType,
    Outcome,
    Unknown,
)


def record(aggregate: IntentAggregate, command: RecordOutcome, situation: Situation) -> Decision:
    """Writes an outcome down once; under a fence that has moved on it changes nothing."""
    attempt = aggregate.attempts.get(command.attempt_id)
    if attempt is None:
        raise ValueError(f"no attempt {command.attempt_id}")
    if not attempt.is_open or attempt.fence != command.fence:
        return Decision(refund_id=attempt.refund_id)
    onward = fail_over(aggregate.intent, attempt, command, situation) if command.fallback else None
    if onward is not None:
        return Decision((onward,), attempt_id=onward.attempt.id)
    event = finish(aggregate, attempt, command.outcome, situation, command.was_due_at)
    return Decision((event,), refund_id=attempt.refund_id)


def finish(
    aggregate: IntentAggregate,
    attempt: Attempt,
    outcome: Outcome,
    situation: Situation,
    was_due_at: datetime | None = None,
) -> IntentEvent:
    """What an outcome makes of an open attempt; ``was_due_at`` is RecordOutcome's."""
    if isinstance(outcome, Accepted):
        return accept(attempt, outcome, situation)
    if attempt.undoes:
        return straying.finish_undoing(attempt, outcome, situation, was_due_at)
    if isinstance(outcome, Unknown):
        return wait_for_check(attempt, situation, was_due_at, asked=outcome.asked)
    event = _FINISH[attempt.operation](aggregate, attempt, outcome, situation)
    return event or wait_for_check(attempt, situation, was_due_at)


def _finish_authorize(
    aggregate: IntentAggregate, attempt: Attempt, outcome: Outcome, situation: Situation
) -> IntentEvent | None:
    intent = aggregate.intent
    match outcome:
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
            return _aborted(attempt, outcome)


def _finish_capture(
    aggregate: IntentAggregate, attempt: Attempt, outcome: Outcome, situation: Situation
) -> IntentEvent | None:
    intent = aggregate.intent
    match outcome:
        case Approved():
            return _captured(intent, attempt, intent.psp_payment_id, situation)
        case Declined(failure, _) if not failure.retryable:
            return PaymentIntentFailed(attempt.id, intent.psp_payment_id, failure, _void(intent, situation))
        case _:
            return _aborted(attempt, outcome)


def _finish_cancel(
    aggregate: IntentAggregate, attempt: Attempt, outcome: Outcome, situation: Situation
) -> IntentEvent | None:
    intent = aggregate.intent
    reason = _cancellation_reason(intent)
    declined = isinstance(outcome, Declined) and not outcome.failure.retryable
    gone_at_psp = declined and reason is CancellationReason.EXPIRED
    if isinstance(outcome, Approved) or gone_at_psp:
        told_as = outcome.psp_id if isinstance(outcome, Approved) else ""
        return PaymentIntentCanceled(reason, attempt.id, _void(intent, situation), told_as)
    return _aborted(attempt, outcome)


def _finish_refund(
    aggregate: IntentAggregate, attempt: Attempt, outcome: Outcome, situation: Situation
) -> IntentEvent | None:
    intent, refund = aggregate.intent, aggregate.refunds[attempt.refund_id]
    transaction_id = situation.new_id("txn")
    match outcome:
        case Approved(psp_id):
            posting = posting_rules.refunded(intent.book, transaction_id, refund.hold)
            moved = (attempt.amount, intent.currency, intent.psp_account_id)
            return RefundSucceeded(refund.id, attempt.id, psp_id, posting, *moved)
        case Declined(failure) | NotExecuted(failure):
            void = posting_rules.refund_voided(intent.book, transaction_id, refund.hold)
            return RefundFailed(refund.id, attempt.id, failure, void)
        case _:
            return None


_FINISH = {
    OperationType.AUTHORIZE: _finish_authorize,
    OperationType.CAPTURE: _finish_capture,
    OperationType.CANCEL: _finish_cancel,
    OperationType.REFUND: _finish_refund,
}


def _captured(intent: PaymentIntent, attempt: Attempt, psp_id: str, situation: Situation) -> IntentEvent:
    fee = fee_for(attempt.amount, situation.merchant.psp_account(intent.psp_account_id).fees)
    posting = posting_rules.captured(intent.book, situation.new_id("txn"), attempt.amount, fee, intent.hold)
    where = (intent.currency, intent.psp_account_id)
    return PaymentIntentCaptured(attempt.id, psp_id, attempt.amount, fee, posting, *where)


def _aborted(attempt: Attempt, outcome: Outcome) -> IntentEvent | None:
    if isinstance(outcome, Declined | NotExecuted):
        return PaymentIntentOperationAborted(attempt.id, outcome.failure)
    return None


def _void(intent: PaymentIntent, situation: Situation) -> DraftTransaction | None:
    if intent.hold is None:
        return None
    return posting_rules.authorization_voided(intent.book, situation.new_id("txn"), intent.hold)


def _cancellation_reason(intent: PaymentIntent) -> CancellationReason:
    reason = intent.operation.cancellation_reason if intent.operation else None
    return reason or CancellationReason.REQUESTED
