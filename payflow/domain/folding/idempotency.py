"""What an idempotency key that is already there means for a request."""

from __future__ import annotations

from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.folding.submission import Event, Replayed, Submission
from payflow.domain.folding.working_set import KeyRecord
from payflow.domain.intent.commands import ResumeAttempt
from payflow.domain.intent.events import PaymentIntentOperationAborted, RefundFailed
from payflow.domain.intent.state import Attempt
from payflow.domain.psp_outcome import NotExecuted, Outcome

RETRY_AFTER_MAX_S = 1.0
RETRY_AFTER_MIN_S = 0.05


def answer(record: KeyRecord, submission: Submission, attempt: Attempt | None) -> Replayed | ResumeAttempt:
    """The stored response, or the command that takes an attempt over whose lease has run out.

    Raises IDEMPOTENCY_KEY_REUSED for another request, IDEMPOTENCY_KEY_IN_USE while the first one runs.
    """
    assert submission.claim is not None
    if record.request_hash != submission.claim.request_hash:
        raise PayFlowError(
            Reason.IDEMPOTENCY_KEY_REUSED, "the idempotency key was used for a different request"
        )
    if record.response is not None:
        return Replayed(record.response)
    if attempt is not None and attempt.is_open and attempt.due_at <= submission.now:
        return ResumeAttempt(
            submission.command.merchant_id, attempt.payment_intent_id, attempt.id, attempt.fence
        )
    remaining_s = (attempt.due_at - submission.now).total_seconds() if attempt else RETRY_AFTER_MAX_S
    raise PayFlowError(
        Reason.IDEMPOTENCY_KEY_IN_USE,
        "the first request with this idempotency key is still running",
        retry_after_s=min(max(remaining_s, RETRY_AFTER_MIN_S), RETRY_AFTER_MAX_S),
    )


def frees_key(event: Event, outcome: Outcome) -> bool:
    """Whether an outcome took the operation back, so that the same key may try it again."""
    return isinstance(event, PaymentIntentOperationAborted | RefundFailed) and isinstance(
        outcome, NotExecuted
    )
