"""Decides what a notice means about an authorization that has ended: mostly nothing.

What is news is a payer who acted, a success that had been given up, and an authorization that is gone.
"""

from __future__ import annotations

from payflow.domain.intent import straying
from payflow.domain.intent.decision import Decision, Situation
from payflow.domain.intent.noticed_attempt import GIVEN_UP, busy, unfit
from payflow.domain.intent.state import (
    Attempt,
    AttemptState,
    CancellationReason,
    IntentAggregate,
    PaymentIntent,
)
from payflow.domain.intent.status import IntentStatus
from payflow.domain.intent.unasked import started_and_finished
from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import (
    Approved,
    Declined,
    NotExecuted,
    OperationType,
)

NOTHING_NEW = Decision()


def authorization(
    aggregate: IntentAggregate, attempt: Attempt, notice: Notice, situation: Situation
) -> Decision:
    """What a notice about it changes. Raises PayFlowError for one that does not fit, or comes too early."""
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
        raise unfit(attempt, f"speaks of the payment {told}, not {intent.psp_payment_id}")
    if isinstance(notice.outcome, NotExecuted):
        return _authorization_gone(aggregate, situation)
    if _ended_without(aggregate) and isinstance(notice.outcome, Approved):
        return straying.stray(aggregate, attempt, told or intent.psp_payment_id, situation)
    acted = isinstance(notice.outcome, Approved | Declined)
    if intent.status is IntentStatus.REQUIRES_ACTION and acted:
        return started_and_finished(aggregate, OperationType.AUTHORIZE, notice.outcome, situation)
    if acted and intent.operation is not None and intent.operation.resumes is IntentStatus.REQUIRES_ACTION:
        raise busy(intent)
    return NOTHING_NEW


def undoing_failed(aggregate: IntentAggregate, undoing: Attempt, situation: Situation) -> Decision:
    """The refund of a stray payment came back: it stands again, and is refunded again."""
    stray = aggregate.attempts[undoing.undoes]
    if stray.state is not AttemptState.UNDONE or straying.latest_undoing(aggregate, stray) != undoing:
        return NOTHING_NEW
    if straying.is_undone_in_vain(aggregate, stray):
        raise unfit(undoing, "says that what a stray payment had been undone by came back, as it did before")
    return straying.stray(aggregate, stray, undoing.psp_payment_id, situation)


def _waits_for_payer(intent: PaymentIntent, attempt: Attempt) -> bool:
    """Whether what was given up is only a try to go on with a payment that still waits for its payer."""
    stands = intent.operation.resumes if intent.operation else intent.status
    is_own = attempt.psp_payment_id == intent.psp_payment_id != ""
    return is_own and stands is IntentStatus.REQUIRES_ACTION


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
        return started_and_finished(aggregate, OperationType.CANCEL, Approved(""), situation)
    if intent.operation is not None and intent.operation.resumes is IntentStatus.AUTHORIZED:
        raise busy(intent)
    return NOTHING_NEW
