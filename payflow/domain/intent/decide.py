"""decide(state, command) -> events and postings, for payment intents and their refunds. Pure."""

from __future__ import annotations

from payflow.domain.errors import not_found
from payflow.domain.intent import finishing, noticing, reversing, starting, waiting
from payflow.domain.intent.commands import (
    ApplyNotice,
    CreateIntent,
    IntentCommand,
    RecordOutcome,
    ResumeAttempt,
    ReverseCapture,
    ReverseRefund,
    StartAuthorize,
    StartCancel,
    StartCapture,
    StartRefund,
)
from payflow.domain.intent.decision import Decision, Situation
from payflow.domain.intent.state import IntentAggregate


def decide(aggregate: IntentAggregate | None, command: IntentCommand, situation: Situation) -> Decision:
    """What ``command`` makes happen to ``aggregate``. Raises PayFlowError when it is refused."""
    if isinstance(command, CreateIntent):
        return starting.create(command, situation)
    if aggregate is None:
        raise not_found("payment intent", command.intent_id)
    match command:
        case StartAuthorize():
            return starting.authorize(aggregate, command, situation)
        case StartCapture():
            return starting.capture(aggregate, command, situation)
        case StartCancel():
            return starting.cancel(aggregate, command, situation)
        case StartRefund():
            return starting.refund(aggregate, command, situation)
        case ResumeAttempt():
            return waiting.resume(aggregate, command, situation)
        case RecordOutcome():
            return finishing.record(aggregate, command, situation)
        case ApplyNotice():
            return noticing.apply(aggregate, command, situation)
        case ReverseCapture():
            return reversing.reverse_capture(aggregate, command, situation)
        case ReverseRefund():
            return reversing.reverse_refund(aggregate, command, situation)
