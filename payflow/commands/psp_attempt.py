"""Sees one PSP attempt through: the call, or the question what became of it, and its outcome."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

from payflow.commands.call import Answer, Call, commit
from payflow.commands.ports import Ports
from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.folding.submission import Applied, DueCall
from payflow.domain.intent.commands import RecordOutcome
from payflow.domain.intent.events import AttemptParked
from payflow.domain.intent.finishing import CHECK_SCHEDULE
from payflow.domain.intent.state import Attempt
from payflow.domain.intent.status import RefundStatus
from payflow.domain.psp_outcome import Approved, NotExecuted, Outcome, Unknown
from payflow.domain.resources import PaymentIntentView, RefundView, Resource
from payflow.psp.connector import Connector, PspCall

log = logging.getLogger(__name__)

# After this many checks that found nothing, a repeat is not tried again: the reference is shut out.
REPEATS_MAX = 3
RETRY_AFTER_S = 1.0


def finish(ports: Ports, call: Call, merchant_id: str, due: DueCall) -> Answer:
    """Makes the call that is due and writes its outcome down.

    Raises NO_PSP_AVAILABLE when it is proven that nothing was executed.
    """
    attempt = due.attempt
    outcome = _outcome(ports, merchant_id, due)
    command = RecordOutcome(
        merchant_id,
        attempt.payment_intent_id,
        attempt.id,
        attempt.fence,
        outcome,
        attempt.refund_id,
        attempt.idempotency_key,
    )
    recorded = commit(ports, replace(call, deadline=None, claim=None), lambda _: command, always=True)
    assert isinstance(recorded, Applied)
    _tell_operators(attempt, outcome, recorded)
    if _was_taken_back(recorded.resource, outcome):
        raise no_psp_available("the PSP could not be reached; nothing was executed")
    return Answer(recorded.resource)


def no_psp_available(message: str) -> PayFlowError:
    """The error for an operation that no PSP carried out."""
    return PayFlowError(Reason.NO_PSP_AVAILABLE, message, retry_after_s=RETRY_AFTER_S)


def _outcome(ports: Ports, merchant_id: str, due: DueCall) -> Outcome:
    connector = ports.connectors.get(due.attempt.connector)
    if connector is None:
        return Unknown(f"no connector {due.attempt.connector} here")
    asked = _psp_call(merchant_id, due)
    try:
        if due.recovering:
            return _resolve(ports, connector, asked, due.attempt)
        return _execute(ports, connector, asked, due.attempt)
    except Exception:
        # A connector never raises; one that does may have executed first.
        log.exception("connector failed", extra={"connector": due.attempt.connector})
        return Unknown("the connector failed")


def _execute(ports: Ports, connector: Connector, asked: PspCall, attempt: Attempt) -> Outcome:
    """Only under a lease that lasts: who slept past it must not act on what others may have finished."""
    if ports.clock.now() >= attempt.due_at:
        return Unknown("the lease ran out before the call")
    asked_at = ports.clock.now()
    outcome = connector.execute(asked)
    answered_at = ports.clock.now()
    latency_ms = max(0.0, (answered_at - asked_at).total_seconds() * 1_000)
    ports.learn(asked, outcome, latency_ms, answered_at)
    return outcome


def _resolve(ports: Ports, connector: Connector, asked: PspCall, attempt: Attempt) -> Outcome:
    found = connector.look_up(asked)
    if found is None and attempt.checks < REPEATS_MAX and _is_remembered(ports, connector, attempt):
        return _repeat(ports, connector, asked, attempt)
    is_last_check = attempt.checks >= len(CHECK_SCHEDULE)
    if found is None or (isinstance(found, Unknown) and is_last_check):
        return connector.cancel_by_reference(asked)
    return found


def _repeat(ports: Ports, connector: Connector, asked: PspCall, attempt: Attempt) -> Outcome:
    outcome = _execute(ports, connector, asked, attempt)
    # That this repeat was never sent says nothing of the call that it repeats.
    return Unknown("the repeat was not executed") if isinstance(outcome, NotExecuted) else outcome


def _is_remembered(ports: Ports, connector: Connector, attempt: Attempt) -> bool:
    """Whether the PSP will still know the key when a repeat that is sent now arrives."""
    arrives_by = ports.clock.now() + timedelta(seconds=connector.timeout_s)
    return arrives_by < attempt.started_at + timedelta(seconds=connector.capabilities.key_window_s)


def _psp_call(merchant_id: str, due: DueCall) -> PspCall:
    attempt = due.attempt
    return PspCall(
        operation=attempt.operation,
        psp_key=attempt.psp_key,
        merchant_id=merchant_id,
        psp_account_id=attempt.psp_account_id,
        credential_ref=due.credential_ref,
        amount=attempt.amount,
        currency=attempt.currency,
        payment_method=attempt.payment_method,
        psp_payment_id=attempt.psp_payment_id,
        sale=attempt.sale,
    )


def _was_taken_back(resource: Resource | None, outcome: Outcome) -> bool:
    """Told from the state and not from events, of which a commit that was acknowledged late has none."""
    if not isinstance(outcome, NotExecuted):
        return False
    if isinstance(resource, RefundView):
        refund = resource.refund
        return refund.status is RefundStatus.FAILED and refund.failure == outcome.failure
    if isinstance(resource, PaymentIntentView):
        return resource.intent.operation is None and resource.intent.failure == outcome.failure
    return False


def _tell_operators(attempt: Attempt, outcome: Outcome, recorded: Applied) -> None:
    subject = {"attempt_id": attempt.id, "psp_key": attempt.psp_key}
    if any(isinstance(event, AttemptParked) for event in recorded.events):
        log.error("a PSP attempt is parked: nobody could tell what became of it", extra=subject)
    elif not recorded.events and isinstance(outcome, Approved):
        log.warning("a PSP approved what somebody else has finished meanwhile", extra=subject)
