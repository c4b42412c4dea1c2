"""Sees a PSP attempt through: the call, or the question what became of it, and its outcome.

An outcome that proves that nothing was executed may send the payment on to another PSP account, while its
caller still waits: the next attempt is written down in the commit that ends this one.
"""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from dataclasses import replace

from payflow.commands.call import Answer, Call, commit
from payflow.commands.ports import Ports
from payflow.commands.psp_calling import call_psp, resolve
from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.folding.submission import Applied, DueCall
from payflow.domain.intent.commands import RecordOutcome
from payflow.domain.intent.events import AttemptParked, AttemptStrayed
from payflow.domain.intent.failing_over import allows_failover
from payflow.domain.intent.state import Attempt
from payflow.domain.intent.status import RefundStatus
from payflow.domain.merchant.state import PspAccount
from payflow.domain.psp_outcome import Approved, Failure, NotExecuted, Outcome, Unknown
from payflow.domain.resources import PaymentIntentView, RefundView, Resource

log = logging.getLogger(__name__)

RETRY_AFTER_S = 1.0


def finish(ports: Ports, call: Call, merchant_id: str, due: DueCall) -> Answer:
    """Makes the call that is due, and those that follow from it, and writes their outcomes down.

    The caller holds a place to wait for the first PSP in. When it is proven that nothing was executed, raises
    NO_PSP_AVAILABLE where another try may do better, and PSP_REFUSED where it would not.
    """
    with ExitStack() as places:
        while True:
            outcome = _outcome(ports, call, due)
            fallback = _fallback(ports, call, due, outcome, places)
            recorded = _record(ports, call, merchant_id, due, outcome, fallback)
            if recorded.psp_call is None:
                break
            due = recorded.psp_call
    if isinstance(outcome, NotExecuted) and _was_taken_back(recorded.resource, outcome.failure):
        raise _not_executed(outcome.failure)
    return Answer(recorded.resource)


def no_psp_available(message: str) -> PayFlowError:
    """The error for an operation that no PSP carried out."""
    return PayFlowError(Reason.NO_PSP_AVAILABLE, message, retry_after_s=RETRY_AFTER_S)


def _outcome(ports: Ports, call: Call, due: DueCall) -> Outcome:
    connector = ports.connectors.get(due.attempt.connector)
    if connector is None:
        return Unknown(f"no connector {due.attempt.connector} here")
    try:
        if due.recovering:
            return resolve(ports, connector, due)
        return call_psp(ports, connector, due, call.deadline)
    except Exception:
        # A connector never raises; one that does may have executed first.
        log.exception("connector failed", extra={"connector": due.attempt.connector})
        return Unknown("the connector failed")


def _fallback(ports: Ports, call: Call, due: DueCall, outcome: Outcome, places: ExitStack) -> str:
    """The first PSP account to go on to that takes calls and has a place to wait in; "" for none.

    Only while the caller waits: whoever has been told something must not find another PSP's payment. Who has
    an attempt taken early, such as an operator, is not its caller.
    """
    if (
        call.deadline is None
        or due.was_due_at is not None
        or time.monotonic() >= call.deadline
        or not allows_failover(due.attempt, outcome)
    ):
        return ""
    for account in due.fallbacks:
        if _takes_calls(ports, due.attempt, account) and _takes_a_place(ports, account, places):
            return account.id
    return ""


def _takes_calls(ports: Ports, attempt: Attempt, account: PspAccount) -> bool:
    return account.connector in ports.connectors and ports.gate.admits(account.endpoint, attempt.operation)


def _takes_a_place(ports: Ports, account: PspAccount, places: ExitStack) -> bool:
    try:
        places.enter_context(ports.slots.hold(account.endpoint))
    except PayFlowError as error:
        if error.reason is not Reason.OVERLOADED:
            raise
        return False
    return True


def _record(
    ports: Ports, call: Call, merchant_id: str, due: DueCall, outcome: Outcome, fallback: str
) -> Applied:
    attempt = due.attempt
    command = RecordOutcome(
        merchant_id,
        attempt.payment_intent_id,
        attempt.id,
        attempt.fence,
        outcome,
        attempt.refund_id,
        attempt.idempotency_key,
        fallback,
        due.was_due_at,
    )
    recorded = commit(ports, replace(call, deadline=None, claim=None), lambda _: command, always=True)
    assert isinstance(recorded, Applied)
    tell_operators(attempt.psp_key, recorded)
    if not recorded.events and isinstance(outcome, Approved):
        log.warning(
            "a PSP approved what somebody else has finished meanwhile", extra={"psp_key": attempt.psp_key}
        )
    return recorded


def tell_operators(psp_key: str, applied: Applied) -> None:
    """Logs what a person has to know about, or to look at."""
    for event in applied.events:
        if isinstance(event, AttemptParked):
            log.error(
                "a PSP attempt is parked: nobody could tell what became of it",
                extra={"attempt_id": event.attempt_id, "psp_key": psp_key},
            )
        if isinstance(event, AttemptStrayed):
            log.error(
                "a payment that had been given up succeeded at its PSP; it is undone there",
                extra={"attempt_id": event.attempt_id, "psp_key": psp_key},
            )


def _not_executed(failure: Failure) -> PayFlowError:
    if failure.retryable:
        return no_psp_available("no PSP could be reached; nothing was executed")
    return PayFlowError(
        Reason.PSP_REFUSED,
        f"the PSP took no such request ({failure.code}), and nothing was executed: {failure.message}",
        subject=failure.code,
    )


def _was_taken_back(resource: Resource | None, failure: Failure) -> bool:
    """Told from the state and not from events, of which a commit that was acknowledged late has none."""
    if isinstance(resource, RefundView):
        return resource.refund.status is RefundStatus.FAILED and resource.refund.failure == failure
    if isinstance(resource, PaymentIntentView):
        return resource.intent.operation is None and resource.intent.failure == failure
    return False
