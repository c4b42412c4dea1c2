"""Decides what a PSP's notice means: one that says nothing new changes nothing.

An attempt ends once. A notice may end one that is still open, whoever holds its fence, because a PSP's word
is a fact; against one that has ended, an older or a second notice is just a repetition. What is left is
news: a payer who acted, a PSP that acted by itself, a success that had been given up, a success that failed.
"""

from __future__ import annotations

from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.intent import reversing, straying
from payflow.domain.intent.attempting import new_attempt
from payflow.domain.intent.commands import ApplyNotice, ReverseCapture, ReverseRefund
from payflow.domain.intent.decision import Decision, Situation
from payflow.domain.intent.events import AttemptParked, IntentEvent, PaymentIntentOperationStarted
from payflow.domain.intent.evolve import evolve
from payflow.domain.intent.finishing import finish
from payflow.domain.intent.state import (
    Attempt,
    AttemptState,
    CancellationReason,
    IntentAggregate,
    PaymentIntent,
)
from payflow.domain.intent.status import IntentStatus, RefundStatus
from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import (
    ActionRequired,
    Approved,
    Declined,
    NotExecuted,
    OperationType,
    Outcome,
    Unknown,
)

NOTHING_NEW = Decision()
GIVEN_UP = (AttemptState.DECLINED, AttemptState.NOT_EXECUTED)


def apply(aggregate: IntentAggregate, command: ApplyNotice, situation: Situation) -> Decision:
    """What is new in a notice. Raises PayFlowError for one that does not fit what PayFlow asked for."""
    notice = command.notice
    attempt = _attempt_meant(aggregate, notice)
    if attempt is None:
        return _of_the_psp_s_own_accord(aggregate, command, situation)
    _require_fit(attempt, command, situation)
    if attempt.shuts_out and isinstance(notice.outcome, Approved | ActionRequired | Unknown):
        return _while_shut_out(attempt, notice)
    if isinstance(notice.outcome, Unknown):
        return NOTHING_NEW
    if attempt.is_open:
        return _ended(aggregate, attempt, notice.outcome, command, situation)
    failed_later = notice.after_success and isinstance(notice.outcome, Declined)
    if attempt.undoes and failed_later:
        return _undoing_failed(aggregate, attempt, situation)
    if attempt.undoes:
        return NOTHING_NEW
    if attempt.state is AttemptState.STRAY and failed_later:
        # Nothing is left to undo of a sale that its PSP takes back.
        undoing = straying.latest_undoing(aggregate, attempt)
        return _ended(aggregate, undoing, Approved(attempt.psp_reference), command, situation)
    match notice.operation:
        case OperationType.AUTHORIZE if not (attempt.sale and notice.after_success):
            return _authorization(aggregate, attempt, notice, situation)
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


def _attempt_meant(aggregate: IntentAggregate, notice: Notice) -> Attempt | None:
    """The attempt that the notice is about, an open one before one that has ended, the latest of several."""
    found = [one for one in aggregate.attempts.values() if _is_meant(aggregate, one, notice)]
    return max(found, key=lambda one: (one.is_open, one.number), default=None)


def _is_meant(aggregate: IntentAggregate, attempt: Attempt, notice: Notice) -> bool:
    captures = notice.operation is OperationType.CAPTURE and attempt.sale
    if attempt.operation is not notice.operation and not captures:
        return False
    if not notice.psp_key:
        return attempt.psp_payment_id == notice.psp_payment_id != ""
    if attempt.psp_key == notice.psp_key:
        return True
    # A payment that the payer had to act on keeps its first reference, however often it is resumed.
    return attempt.psp_payment_id != "" and _began(aggregate, attempt).psp_key == notice.psp_key


def _began(aggregate: IntentAggregate, resumed: Attempt) -> Attempt:
    """The authorization at whose PSP payment a later one goes on."""
    firsts = (
        one
        for one in aggregate.attempts.values()
        if one.operation is OperationType.AUTHORIZE and not one.psp_payment_id and one.number < resumed.number
    )
    return max(firsts, key=lambda one: one.number)


def _require_fit(attempt: Attempt, command: ApplyNotice, situation: Situation) -> None:
    notice = command.notice
    account = situation.merchant.psp_account(attempt.psp_account_id)
    if account.endpoint != command.endpoint:
        raise _unfit(attempt, "came through another PSP account")
    if notice.amount is not None and notice.amount != attempt.amount:
        raise _unfit(attempt, f"speaks of the amount {notice.amount}, not {attempt.amount}")
    if notice.currency and notice.currency != attempt.currency:
        raise _unfit(attempt, f"speaks of {notice.currency}, not {attempt.currency}")


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


def _busy(intent: PaymentIntent) -> PayFlowError:
    return PayFlowError(
        Reason.CONCURRENT_UPDATE, "another operation is in flight", retry_after_s=1.0, subject=intent.id
    )


def _unfit(attempt: Attempt, why: str) -> PayFlowError:
    return PayFlowError(
        Reason.VALIDATION_FAILED, f"the notice about {attempt.psp_key} {why}", subject=attempt.psp_key
    )


def _authorization(
    aggregate: IntentAggregate, attempt: Attempt, notice: Notice, situation: Situation
) -> Decision:
    intent = aggregate.intent
    given_up = attempt.state in GIVEN_UP
    if not given_up and attempt.state is not AttemptState.SUCCEEDED:
        return NOTHING_NEW
    if given_up and not _waits_for_payer(intent, attempt):
        if isinstance(notice.outcome, Approved):
            payment_id = notice.outcome.psp_id or notice.psp_payment_id
            return straying.stray(aggregate, attempt, payment_id, situation)
        return NOTHING_NEW
    told = notice.outcome.psp_id if isinstance(notice.outcome, Approved) else ""
    if told not in ("", intent.psp_payment_id) and not _has_stand_in(aggregate):
        raise _unfit(attempt, f"speaks of the payment {told}, not {intent.psp_payment_id}")
    if isinstance(notice.outcome, NotExecuted):
        return _authorization_gone(aggregate, situation)
    if _ended_without(aggregate) and isinstance(notice.outcome, Approved):
        return straying.stray(aggregate, attempt, told or intent.psp_payment_id, situation)
    acted = isinstance(notice.outcome, Approved | Declined)
    if intent.status is IntentStatus.REQUIRES_ACTION and acted:
        return _started_and_finished(aggregate, OperationType.AUTHORIZE, notice.outcome, situation)
    if acted and intent.operation is not None and intent.operation.resumes is IntentStatus.REQUIRES_ACTION:
        raise _busy(intent)
    return NOTHING_NEW


def _undoing_failed(aggregate: IntentAggregate, undoing: Attempt, situation: Situation) -> Decision:
    """The refund of a stray payment came back: it stands again, and is refunded again."""
    stray = aggregate.attempts[undoing.undoes]
    if stray.state is not AttemptState.UNDONE or straying.latest_undoing(aggregate, stray) != undoing:
        return NOTHING_NEW
    if straying.is_undone_in_vain(aggregate, stray):
        raise _unfit(undoing, "says that what a stray payment had been undone by came back, as it did before")
    return straying.stray(aggregate, stray, undoing.psp_payment_id, situation)


def _has_stand_in(aggregate: IntentAggregate) -> bool:
    """Whether the PSP has not named the payment yet, so that our own key stands for it."""
    own = aggregate.intent.psp_payment_id
    return any(one.psp_key == own for one in aggregate.attempts.values())


def _ended_without(aggregate: IntentAggregate) -> bool:
    """Whether the intent ended as one that its PSP has never authorized, and that it was not told to cancel.

    What a PSP has canceled it may have authorized a moment before, which is told late and is no news.
    """
    intent = aggregate.intent
    if intent.authorized_at or intent.cancellation_reason is CancellationReason.PSP:
        return False
    cancels = (one for one in aggregate.attempts.values() if one.operation is OperationType.CANCEL)
    canceled_there = any(one.psp_reference for one in cancels if not one.undoes)
    return intent.status is IntentStatus.FAILED or (
        intent.status is IntentStatus.CANCELED and not canceled_there
    )


def _authorization_gone(aggregate: IntentAggregate, situation: Situation) -> Decision:
    """What had succeeded was undone by its reference, which was asked while nobody knew that it had."""
    intent = aggregate.intent
    if intent.status is IntentStatus.AUTHORIZED:
        return _started_and_finished(aggregate, OperationType.CANCEL, Approved(""), situation)
    if intent.operation is not None and intent.operation.resumes is IntentStatus.AUTHORIZED:
        raise _busy(intent)
    return NOTHING_NEW


def _waits_for_payer(intent: PaymentIntent, attempt: Attempt) -> bool:
    """Whether what was given up is only a try to go on with a payment that still waits for its payer."""
    stands = intent.operation.resumes if intent.operation else intent.status
    is_own = attempt.psp_payment_id == intent.psp_payment_id != ""
    return is_own and stands is IntentStatus.REQUIRES_ACTION


def _capture(aggregate: IntentAggregate, attempt: Attempt, notice: Notice, situation: Situation) -> Decision:
    intent = aggregate.intent
    if notice.after_success and isinstance(notice.outcome, Declined):
        if attempt.state is AttemptState.SUCCEEDED and intent.captured_amount:
            reversal = ReverseCapture(intent.merchant_id, intent.id, notice.outcome.failure)
            return reversing.reverse_capture(aggregate, reversal, situation)
        return NOTHING_NEW
    if attempt.state is AttemptState.NOT_EXECUTED and intent.status is IntentStatus.AUTHORIZED:
        if isinstance(notice.outcome, Approved):
            return _started_and_finished(
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
        return _started_and_finished(aggregate, OperationType.CANCEL, notice.outcome, situation)
    if aggregate.intent.status is IntentStatus.CANCELED:
        return NOTHING_NEW
    return _contradicted(aggregate.intent, attempt, notice)


def _contradicted(intent: PaymentIntent, attempt: Attempt, notice: Notice) -> Decision:
    """A success of what had been given up moved money, and here it has no place: a person has to look.

    Not yet where an operation is in flight, behind which it may have one.
    """
    if attempt.state in GIVEN_UP and isinstance(notice.outcome, Approved):
        if intent.operation is not None:
            raise _busy(intent)
        raise _unfit(attempt, "says that it succeeded, after it had been given up")
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
        return _started_and_finished(aggregate, OperationType.CANCEL, notice.outcome, situation)
    if intent.status is IntentStatus.PROCESSING:
        raise _busy(intent)
    return NOTHING_NEW


def _started_and_finished(
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
