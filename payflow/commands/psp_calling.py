"""Asks a PSP: for an operation, or what became of one. Every call passes its gate and is told back to it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from payflow.commands.ports import Ports
from payflow.domain import declines
from payflow.domain.backoff import Backoff
from payflow.domain.folding.submission import DueCall
from payflow.domain.intent.state import Attempt
from payflow.domain.intent.status import IntentStatus
from payflow.domain.intent.waiting import CHECK_SCHEDULE
from payflow.domain.merchant.state import Mode
from payflow.domain.psp_outcome import Accepted, NotExecuted, OperationType, Outcome, Unknown
from payflow.psp.connector import Connector, PspCall

log = logging.getLogger(__name__)

# The first checks repeat a call of which the PSP knows nothing; after them its reference is shut out.
REPEATING_CHECKS = 2

TRIES_IN_CALL_MAX = 4
BACKOFF = Backoff(first_s=0.1, most_s=2.0)
# Behind these a PSP was spared the question, or did not look at it.
SHUT_DOORS = frozenset({"breaker_open", "psp_overloaded"})

Answer = TypeVar("Answer", bound=Outcome | None)


def call_psp(ports: Ports, connector: Connector, due: DueCall, deadline: float | None) -> Outcome:
    """Executes the call, again with the same key while that is safe and the caller waits.

    ``deadline`` is the caller's, in seconds of time.monotonic; None waits for one try. After a try that may
    have been executed, a later one that was not sent proves nothing.
    """
    outcome: Outcome = Unknown("not tried")
    may_be_executed = was_made = False
    started = time.monotonic()
    for tries in range(TRIES_IN_CALL_MAX):
        kept_back = _kept_back(ports, due)
        was_made = was_made or kept_back is None
        outcome = kept_back or _execute(ports, connector, due)
        if isinstance(outcome, NotExecuted) and may_be_executed:
            outcome = Unknown(f"sent before; then {outcome.failure.code}")
        may_be_executed = may_be_executed or isinstance(outcome, Unknown)
        pause_s = BACKOFF.pause_s(tries, ports.jitter)
        if not _may_repeat(outcome, due) or not _has_time(ports, connector, due, deadline, pause_s):
            break
        ports.sleep(pause_s)
    if was_made and due.attempt.operation is OperationType.AUTHORIZE:
        ports.learn(due.account, outcome, time.monotonic() - started)
    return outcome


def _may_repeat(outcome: Outcome, due: DueCall) -> bool:
    """What the PSP was quick to fail, and what it was never sent, unless another PSP account waits for it."""
    if isinstance(outcome, Unknown):
        return outcome.repeatable
    return (
        isinstance(outcome, NotExecuted) and outcome.failure.code in declines.NOT_TAKEN and not due.fallbacks
    )


def _has_time(
    ports: Ports, connector: Connector, due: DueCall, deadline: float | None, pause_s: float
) -> bool:
    """Whether another try can end under the lease, and the caller would still be there for it."""
    ends_at = ports.clock.now() + timedelta(seconds=pause_s + connector.timeout_s)
    return deadline is not None and time.monotonic() + pause_s < deadline and ends_at < due.attempt.due_at


def _kept_back(ports: Ports, due: DueCall) -> Outcome | None:
    """Why a call may not be made now; None for one that has passed the gate and has to be made.

    Only under a lease that lasts: who slept past it must not act on what others may have finished.
    """
    if ports.clock.now() >= due.attempt.due_at:
        return Unknown("the lease ran out before the call")
    shut = ports.gate.enter(due.account.endpoint, due.attempt.operation)
    return NotExecuted(declines.failure(shut)) if shut else None


def _execute(ports: Ports, connector: Connector, due: DueCall) -> Outcome:
    outcome: Outcome = Unknown("the connector failed")
    try:
        outcome = connector.execute(_psp_call(due))
    finally:
        ports.gate.leave(due.account.endpoint, due.attempt.operation, outcome)
    return outcome


def resolve(ports: Ports, connector: Connector, due: DueCall) -> Outcome:
    """What became of a call whose outcome is not known; finishes it or shuts it out where nobody knows it."""
    attempt = due.attempt
    found = _looked_up(ports, connector, due)
    if attempt.psp_reference:
        # The PSP has taken it in. To ask for it again, or to shut it out, could do it twice or not at all.
        return found or Unknown("the PSP has not told yet")
    if found is None and _may_ask_again(ports, connector, attempt):
        return _repeated(ports, connector, due)
    is_last_check = attempt.checks >= len(CHECK_SCHEDULE)
    if attempt.undoes:
        return found or Unknown("a stray payment has to be undone")
    if found is None or (isinstance(found, Unknown) and is_last_check):
        shut_out = _asked(ports, due, lambda: connector.cancel_by_reference(_psp_call(due)))
        return replace(shut_out, shuts_out=True) if isinstance(shut_out, Accepted) else shut_out
    return found


def answers_about(ports: Ports, due: DueCall) -> bool:
    """Whether the PSP, which can be asked, would tell what became of a call. It is asked past its gate."""
    try:
        found = ports.connectors[due.attempt.connector].look_up(_psp_call(due))
    except Exception:
        log.exception("connector failed", extra={"connector": due.attempt.connector})
        return False
    return not isinstance(found, Unknown)


def _looked_up(ports: Ports, connector: Connector, due: DueCall) -> Outcome | None:
    """None where the PSP does not know it, or cannot be asked."""
    if not connector.capabilities.looks_up:
        return None
    return _asked(ports, due, lambda: connector.look_up(_psp_call(due)))


def _asked(ports: Ports, due: DueCall, ask: Callable[[], Answer]) -> Answer | Unknown:
    """The answer, unless the PSP fails too often to be asked."""
    endpoint, operation = due.account.endpoint, due.attempt.operation
    shut = ports.gate.enter(endpoint, operation)
    if shut:
        return Unknown(shut, asked=False)
    answer: Answer | Unknown = Unknown("the connector failed")
    try:
        answer = ask()
    finally:
        ports.gate.leave(endpoint, operation, answer)
    return answer


def _may_ask_again(ports: Ports, connector: Connector, attempt: Attempt) -> bool:
    """Whether the same key is sent once more before it is shut out.

    Where a PSP cannot be asked, only a repeat asks, and only a first authorization can be shut out at all.
    """
    looks_up = connector.capabilities.looks_up
    if attempt.undoes and looks_up:
        # A PSP that has never seen a key has no need to remember it, and a stray has to be undone some day.
        return True
    if not _is_remembered(ports, connector, attempt):
        return False
    is_first = attempt.operation is OperationType.AUTHORIZE and not attempt.psp_payment_id
    if looks_up or is_first:
        return attempt.checks <= (REPEATING_CHECKS if looks_up else len(CHECK_SCHEDULE) - 1)
    return True


def _repeated(ports: Ports, connector: Connector, due: DueCall) -> Outcome:
    outcome = _kept_back(ports, due) or _execute(ports, connector, due)
    if not isinstance(outcome, NotExecuted):
        return outcome
    # That this repeat was never sent says nothing of the call that it repeats.
    return Unknown("the repeat was not executed", asked=outcome.failure.code not in SHUT_DOORS)


def _is_remembered(ports: Ports, connector: Connector, attempt: Attempt) -> bool:
    """Whether the PSP will still know the key when a repeat that is sent now arrives."""
    arrives_by = ports.clock.now() + timedelta(seconds=connector.timeout_s)
    return arrives_by < attempt.started_at + timedelta(seconds=connector.capabilities.key_window_s)


def _psp_call(due: DueCall) -> PspCall:
    attempt, intent = due.attempt, due.intent
    return PspCall(
        operation=attempt.operation,
        psp_key=attempt.psp_key,
        merchant_id=intent.merchant_id,
        psp_account_id=attempt.psp_account_id,
        credential_ref=due.account.credential_ref,
        amount=attempt.amount,
        currency=attempt.currency,
        payment_method=attempt.payment_method,
        psp_payment_id=attempt.psp_payment_id,
        sale=attempt.sale,
        live=due.account.mode is Mode.LIVE,
        payment_method_type=intent.payment_method_type,
        country=intent.country,
        return_url=attempt.return_url,
        action_result=attempt.action_result,
        asked_at=attempt.started_at,
        awaits_payer=_awaits_payer(due),
    )


def _awaits_payer(due: DueCall) -> bool:
    operation = due.intent.operation
    if operation is None or operation.attempt_id != due.attempt.id:
        # What undoes a stray is about another payment than the intent's own.
        return False
    return operation.resumes is IntentStatus.REQUIRES_ACTION
