"""Decides how long an attempt waits whose outcome nobody knows, and who may take it over."""

from __future__ import annotations

from datetime import datetime, timedelta

from payflow.domain.intent.commands import ResumeAttempt
from payflow.domain.intent.decision import Decision, Situation
from payflow.domain.intent.events import (
    AttemptAccepted,
    AttemptOutcomeUnknown,
    AttemptParked,
    AttemptResumed,
    IntentEvent,
)
from payflow.domain.intent.state import WAITING_ATTEMPTS, Attempt, AttemptState, IntentAggregate
from payflow.domain.psp_outcome import Accepted

CHECK_SCHEDULE = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(days=1),
)

# A PSP that fails too often to be asked is left alone for so long, about as long as a breaker stays open.
UNASKED_WAIT = timedelta(minutes=1)

# What a PSP has accepted it mostly tells within minutes; a refund may take a bank ten days.
ACCEPTED_SCHEDULE = (
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(days=1),
    timedelta(days=2),
    timedelta(days=4),
    timedelta(days=7),
)


def is_due(attempt: Attempt, situation: Situation) -> bool:
    """Whether its lease, or the wait before its next check, has run out."""
    waits = attempt.is_open and attempt.state is not AttemptState.PARKED
    return waits and attempt.due_at <= situation.now


def resume(aggregate: IntentAggregate, command: ResumeAttempt, situation: Situation) -> Decision:
    """Raises the fence of an attempt that is due; says nothing when somebody else was first."""
    attempt = aggregate.attempts.get(command.attempt_id)
    if attempt is None or attempt.fence != command.fence:
        return Decision()
    if not is_due(attempt, situation) and not (command.early and attempt.state in WAITING_ATTEMPTS):
        return Decision()
    # Whoever called first may have died of anything. Each next one that vanishes gets longer, and then an
    # operator does.
    lost = attempt.vanished + (attempt.state is AttemptState.RUNNING) - 1
    if lost > len(CHECK_SCHEDULE):
        return Decision((AttemptParked(attempt.id),), refund_id=attempt.refund_id)
    patience = CHECK_SCHEDULE[lost - 1] if lost > 0 else timedelta(0)
    event = AttemptResumed(attempt.id, attempt.fence + 1, situation.now + situation.lease + patience)
    return Decision((event,), attempt_id=attempt.id, refund_id=attempt.refund_id)


def wait_for_check(
    attempt: Attempt, situation: Situation, was_due_at: datetime | None = None, asked: bool = True
) -> IntentEvent:
    """The PSP did not tell: it is asked again later, and after the last check an operator is.

    What was ``asked`` before its time, as it ``was_due_at``, uses up no check and puts off none; what could
    not be asked uses up none either.
    """
    schedule = ACCEPTED_SCHEDULE if attempt.psp_reference else CHECK_SCHEDULE
    checks = max(1, attempt.checks + (asked and was_due_at is None))
    if checks > len(schedule):
        return AttemptParked(attempt.id)
    wait = schedule[checks - 1]
    due_at = situation.now + (wait if asked else max(wait, UNASKED_WAIT))
    due_at = min(due_at, was_due_at or due_at)
    if attempt.psp_reference:
        return AttemptAccepted(attempt.id, attempt.psp_reference, checks, due_at, attempt.shuts_out)
    return AttemptOutcomeUnknown(attempt.id, checks, due_at)


def accept(attempt: Attempt, taken_in: Accepted, situation: Situation) -> IntentEvent:
    """The PSP has taken it in, and tells later."""
    checks = attempt.checks + 1 if attempt.psp_reference else 1
    if checks > len(ACCEPTED_SCHEDULE):
        return AttemptParked(attempt.id)
    due_at = situation.now + ACCEPTED_SCHEDULE[checks - 1]
    return AttemptAccepted(attempt.id, taken_in.psp_id, checks, due_at, taken_in.shuts_out)
