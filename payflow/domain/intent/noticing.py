"""Decides what a PSP's notice means: one that says nothing new changes nothing.

An attempt ends once. A notice may end one that is still open, whoever holds its fence, because a PSP's word
is a fact; against one that has ended, an older or a second notice is just a repetition. What is left is
news: a payer who acted, a PSP that acted by itself, a success that had been given up, a success that failed.
"""

from __future__ import annotations

from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.intent import reversing, straying
from payflow.domain.intent.commands import ApplyNotice, ReverseCapture, ReverseRefund
from payflow.domain.intent.decision import Decision, Situation
from payflow.domain.intent.events import AttemptParked
from payflow.domain.intent.finishing import finish
from payflow.domain.intent.noticed_attempt import GIVEN_UP, attempt_meant, busy, require_fit, unfit
from payflow.domain.intent.noticed_authorization import authorization, undoing_failed
from payflow.domain.intent.state import (
    Attempt,
    AttemptState,
    IntentAggregate,
    PaymentIntent,
)
from payflow.domain.intent.status import IntentStatus, RefundStatus
from payflow.domain.intent.unasked import started_and_finished
from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import (
    ActionRequired,
    Approved,
    Declined,
    OperationType,
    Outcome,
    Unknown,
)

NOTHING_NEW = Decision()


def apply(aggregate: IntentAggregate, command: ApplyNotice, situation: Situation) -> Decision:
    """What is new in a notice. Raises PayFlowError for one that does not fit what PayFlow asked for."""
    notice = command.notice
    attempt = attempt_meant(aggregate, notice)
    if attempt is None:
        return _of_the_psp_s_own_accord(aggregate, command, situation)
    require_fit(attempt, command, situation)
    if attempt.shuts_out and isinstance(notice.outcome, Approved | ActionRequired | Unknown):
        return _while_shut_out(attempt, notice)
    if isinstance(notice.outcome, Unknown):
        return NOTHING_NEW
    if attempt.is_open:
        return _ended(aggregate, attempt, notice.outcome, command, situation)
    failed_later = notice.after_success and isinstance(notice.outcome, Declined)
    if attempt.undoes and failed_later:
        return undoing_failed(aggregate, attempt, situation)
    if attempt.undoes:
        return NOTHING_NEW
    if attempt.state is AttemptState.STRAY and failed_later:
        # Nothing is left to undo of a sale that its PSP takes back.
        undoing = straying.latest_undoing(aggregate, attempt)
        return _ended(aggregate, undoing, Approved(attempt.psp_reference), command, situation)
    match notice.operation:
        case OperationType.AUTHORIZE if not (attempt.sale and notice.after_success):
            return authorization(aggregate, attempt, notice, situation)
        case OperationType.AUTHORIZE | OperationType.CAPTURE:
            return _capture(aggregate, attempt, notice, situation)
        case OperationType.REFUND:
            return _refund(aggregate, attempt, notice, situation)
        case OperationType.CANCEL:
            return _cancellation(aggregate, attempt, notice, situation)


def _ended(
    aggregate: IntentAggregate,
    attempt: Attempt,
    outcome: Outcome,
    command: ApplyNotice,
    situation: Situation,
) -> Decision:
    _require_turn(attempt, command, situation)
    event = finish(aggregate, attempt, outcome, situation)
    if isinstance(event, AttemptParked) and attempt.state is AttemptState.PARKED:
        return NOTHING_NEW
    return Decision((event,), refund_id=attempt.refund_id)


def _while_shut_out(attempt: Attempt, notice: Notice) -> Decision:
    """What a notice speaks of is being canceled, or was.

    Whether that worked out is told first; that it did not (Unknown) is for a person to look at.
    """
    if not attempt.is_open:
        return NOTHING_NEW
    if isinstance(notice.outcome, Unknown):
        return Decision((AttemptParked(attempt.id),))
    raise PayFlowError(Reason.CONCURRENT_UPDATE, "the payment is being canceled", retry_after_s=1.0)


def _require_turn(attempt: Attempt, command: ApplyNotice, situation: Situation) -> None:
    """Whoever calls the PSP for the first time has its answer in a moment, and that says more than a notice.

    The key that the attempt answers has to be at hand; one that was begun a moment ago may have another.
    """
    is_called = (
        attempt.state is AttemptState.RUNNING and attempt.fence == 1 and situation.now < attempt.due_at
    )
    if is_called or (attempt.idempotency_key and attempt.idempotency_key not in command.idempotency_keys):
        raise PayFlowError(Reason.CONCURRENT_UPDATE, "the PSP is being called", retry_after_s=1.0)


def _capture(aggregate: IntentAggregate, attempt: Attempt, notice: Notice, situation: Situation) -> Decision:
    intent = aggregate.intent
    if notice.after_success and isinstance(notice.outcome, Declined):
        if attempt.state is AttemptState.SUCCEEDED and intent.captured_amount:
            reversal = ReverseCapture(intent.merchant_id, intent.id, notice.outcome.failure)
            return reversing.reverse_capture(aggregate, reversal, situation)
        return NOTHING_NEW
    if attempt.state is AttemptState.NOT_EXECUTED and intent.status is IntentStatus.AUTHORIZED:
        if isinstance(notice.outcome, Approved):
            return started_and_finished(
                aggregate, OperationType.CAPTURE, notice.outcome, situation, attempt.amount
            )
        return NOTHING_NEW
    return _contradicted(aggregate.intent, attempt, notice)


def _refund(aggregate: IntentAggregate, attempt: Attempt, notice: Notice, situation: Situation) -> Decision:
    intent, refund = aggregate.intent, aggregate.refunds[attempt.refund_id]
    if notice.after_success and isinstance(notice.outcome, Declined):
        if refund.status is RefundStatus.REFUNDED:
            reversal = ReverseRefund(intent.merchant_id, intent.id, refund.id, notice.outcome.failure)
            return reversing.reverse_refund(aggregate, reversal, situation)
        return NOTHING_NEW
    return _contradicted(aggregate.intent, attempt, notice)


def _cancellation(
    aggregate: IntentAggregate, attempt: Attempt, notice: Notice, situation: Situation
) -> Decision:
    given_up = attempt.state in GIVEN_UP and isinstance(notice.outcome, Approved)
    if given_up and aggregate.intent.status in (IntentStatus.AUTHORIZED, IntentStatus.REQUIRES_ACTION):
        return started_and_finished(aggregate, OperationType.CANCEL, notice.outcome, situation)
    if aggregate.intent.status is IntentStatus.CANCELED:
        return NOTHING_NEW
    return _contradicted(aggregate.intent, attempt, notice)


def _contradicted(intent: PaymentIntent, attempt: Attempt, notice: Notice) -> Decision:
    """A success of what had been given up moved money, and here it has no place: a person has to look.

    Not yet where an operation is in flight, behind which it may have one.
    """
    if attempt.state in GIVEN_UP and isinstance(notice.outcome, Approved):
        if intent.operation is not None:
            raise busy(intent)
        raise unfit(attempt, "says that it succeeded, after it had been given up")
    return NOTHING_NEW


def _of_the_psp_s_own_accord(
    aggregate: IntentAggregate, command: ApplyNotice, situation: Situation
) -> Decision:
    """The end of an authorization that nobody here had asked to end, such as in the PSP's own dashboard."""
    intent, notice = aggregate.intent, command.notice
    if isinstance(notice.outcome, Unknown):
        return NOTHING_NEW
    ends = notice.operation is OperationType.CANCEL and isinstance(notice.outcome, Approved)
    if not ends or not intent.psp_payment_id or notice.psp_payment_id != intent.psp_payment_id:
        raise PayFlowError(
            Reason.NOT_FOUND,
            f"PayFlow asked for no {notice.operation.lower()} that a notice could be about",
        )
    account = situation.merchant.psp_account(intent.psp_account_id)
    if account.endpoint != command.endpoint:
        raise PayFlowError(Reason.VALIDATION_FAILED, "the notice came through another PSP account")
    if intent.status in (IntentStatus.AUTHORIZED, IntentStatus.REQUIRES_ACTION):
        return started_and_finished(aggregate, OperationType.CANCEL, notice.outcome, situation)
    if intent.status is IntentStatus.PROCESSING:
        raise busy(intent)
    return NOTHING_NEW
