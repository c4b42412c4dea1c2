"""Applies the events that are about a PSP attempt alone."""

from __future__ import annotations

from datetime import datetime

from payflow.domain.intent.changes import change_attempt, change_intent, finish_attempt, with_attempt
from payflow.domain.intent.events import (
    AttemptAccepted,
    AttemptOutcomeUnknown,
    AttemptParked,
    AttemptResumed,
    AttemptStrayed,
    AttemptUndone,
)
from payflow.domain.intent.state import AttemptState, IntentAggregate
from payflow.domain.psp_outcome import OperationType


def resumed(aggregate: IntentAggregate, event: AttemptResumed, at: datetime) -> IntentAggregate:
    """Somebody else holds it; who held it before and said nothing has vanished."""
    attempt = aggregate.attempts[event.attempt_id]
    return change_attempt(
        aggregate,
        event.attempt_id,
        state=AttemptState.RUNNING,
        fence=event.fence,
        due_at=event.due_at,
        vanished=attempt.vanished + (attempt.state is AttemptState.RUNNING),
    )


def unknown(aggregate: IntentAggregate, event: AttemptOutcomeUnknown, at: datetime) -> IntentAggregate:
    """It waits for its next check."""
    return change_attempt(
        aggregate, event.attempt_id, state=AttemptState.UNKNOWN, checks=event.checks, due_at=event.due_at
    )


def accepted(aggregate: IntentAggregate, event: AttemptAccepted, at: datetime) -> IntentAggregate:
    """It waits for the PSP to tell; an authorization is a payment at the PSP from now on."""
    attempt = aggregate.attempts[event.attempt_id]
    waiting = change_attempt(
        aggregate,
        event.attempt_id,
        state=AttemptState.ACCEPTED,
        psp_reference=event.psp_reference,
        checks=event.checks,
        due_at=event.due_at,
        shuts_out=event.shuts_out,
    )
    is_new = attempt.operation is OperationType.AUTHORIZE and not attempt.psp_payment_id
    if is_new and not event.shuts_out:
        return change_intent(waiting, psp_payment_id=event.psp_reference)
    return waiting


def parked(aggregate: IntentAggregate, event: AttemptParked, at: datetime) -> IntentAggregate:
    """It waits for an operator; what was to shut it out did not."""
    return change_attempt(aggregate, event.attempt_id, state=AttemptState.PARKED, shuts_out=False)


def strayed(aggregate: IntentAggregate, event: AttemptStrayed, at: datetime) -> IntentAggregate:
    """It did succeed, and another attempt undoes it, in place of one that came back; the intent stays."""
    for former in [one for one in aggregate.attempts.values() if one.undoes == event.attempt_id]:
        aggregate = change_attempt(aggregate, former.id, state=AttemptState.DECLINED)
    stray = change_attempt(
        aggregate, event.attempt_id, state=AttemptState.STRAY, psp_reference=event.psp_payment_id
    )
    return with_attempt(stray, event.attempt, at)


def undone(aggregate: IntentAggregate, event: AttemptUndone, at: datetime) -> IntentAggregate:
    """Nothing is left of the stray attempt."""
    stray_id = aggregate.attempts[event.attempt_id].undoes
    finished = finish_attempt(aggregate, event.attempt_id, AttemptState.SUCCEEDED, at)
    return change_attempt(finished, stray_id, state=AttemptState.UNDONE)
