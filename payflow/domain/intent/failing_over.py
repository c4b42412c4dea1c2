"""Decides whether an authorization goes on at another PSP account: only with proof that nothing happened."""

from __future__ import annotations

from payflow.domain.intent.attempting import ATTEMPTS_MAX, new_attempt
from payflow.domain.intent.commands import RecordOutcome
from payflow.domain.intent.decision import Situation
from payflow.domain.intent.events import PaymentIntentFailedOver
from payflow.domain.intent.state import Attempt, PaymentIntent
from payflow.domain.intent.status import IntentStatus
from payflow.domain.psp_outcome import Advice, Declined, NotExecuted, OperationType, Outcome


def allows_failover(attempt: Attempt, outcome: Outcome) -> bool:
    """Whether another PSP may be asked: this one did provably nothing, or declined what another may not.

    A payment that a PSP knows already stays there. What may have been executed never goes elsewhere.
    """
    if attempt.operation is not OperationType.AUTHORIZE or attempt.psp_payment_id:
        return False
    return isinstance(outcome, Declined | NotExecuted) and outcome.failure.advice is Advice.RETRY_ELSEWHERE


def fail_over(
    intent: PaymentIntent, attempt: Attempt, command: RecordOutcome, situation: Situation
) -> PaymentIntentFailedOver | None:
    """The next attempt, at the account that ``command`` names; None where the outcome has to stand."""
    operation, outcome = intent.operation, command.outcome
    account = situation.merchant.psp_accounts.get(command.fallback)
    if (
        operation is None
        or operation.resumes is not IntentStatus.CREATED
        or command.fallback not in operation.fallbacks
        or account is None
        or not account.enabled
        or intent.attempts_started >= ATTEMPTS_MAX
        or not allows_failover(attempt, outcome)
        or not isinstance(outcome, Declined | NotExecuted)
    ):
        return None
    place = operation.fallbacks.index(account.id)
    again = new_attempt(
        intent,
        OperationType.AUTHORIZE,
        attempt.amount,
        account,
        situation,
        payment_method=attempt.payment_method,
        psp_payment_id="",
        idempotency_key=attempt.idempotency_key,
        return_url=attempt.return_url,
    )
    return PaymentIntentFailedOver(
        attempt.id,
        isinstance(outcome, Declined),
        outcome.failure,
        again,
        operation.fallbacks[place + 1 :],
        operation.fallback_costs[place + 1 :],
        operation.fallback_costs[place],
    )
