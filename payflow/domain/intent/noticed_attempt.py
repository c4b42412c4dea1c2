"""Finds the attempt that a PSP's notice is about, and whether it fits what was asked for."""

from __future__ import annotations

from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.intent.commands import ApplyNotice
from payflow.domain.intent.decision import Situation
from payflow.domain.intent.state import (
    Attempt,
    AttemptState,
    IntentAggregate,
    PaymentIntent,
)
from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import (
    OperationType,
)

GIVEN_UP = (AttemptState.DECLINED, AttemptState.NOT_EXECUTED)


def attempt_meant(aggregate: IntentAggregate, notice: Notice) -> Attempt | None:
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


def require_fit(attempt: Attempt, command: ApplyNotice, situation: Situation) -> None:
    """Raises VALIDATION_FAILED for a notice of another PSP account, amount or currency than was asked for."""
    notice = command.notice
    account = situation.merchant.psp_account(attempt.psp_account_id)
    if account.endpoint != command.endpoint:
        raise unfit(attempt, "came through another PSP account")
    if notice.amount is not None and notice.amount != attempt.amount:
        raise unfit(attempt, f"speaks of the amount {notice.amount}, not {attempt.amount}")
    if notice.currency and notice.currency != attempt.currency:
        raise unfit(attempt, f"speaks of {notice.currency}, not {attempt.currency}")


def busy(intent: PaymentIntent) -> PayFlowError:
    """The error for a notice that has to wait."""
    return PayFlowError(
        Reason.CONCURRENT_UPDATE, "another operation is in flight", retry_after_s=1.0, subject=intent.id
    )


def unfit(attempt: Attempt, why: str) -> PayFlowError:
    """The error for a notice that a person has to look at."""
    return PayFlowError(
        Reason.VALIDATION_FAILED, f"the notice about {attempt.psp_key} {why}", subject=attempt.psp_key
    )
