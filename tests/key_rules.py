"""What an idempotency key must do, told from earlier answers alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from payflow.domain.errors import Reason
from payflow.domain.folding.submission import Applied, Refused, Replayed, Result, Submission
from payflow.domain.folding.working_set import WorkingSet
from payflow.domain.intent.commands import ApplyNotice, RecordOutcome
from payflow.domain.intent.events import (
    PaymentIntentFailedOver,
    PaymentIntentOperationAborted,
    RefundFailed,
)
from payflow.domain.intent.state import Attempt
from payflow.domain.psp_outcome import NotExecuted
from payflow.wire.resources import to_bytes

Expectation = Callable[[Result], None]


@dataclass(frozen=True, slots=True)
class _Running:
    request_hash: bytes
    intent_id: str
    attempt_id: str


@dataclass(frozen=True, slots=True)
class _Done:
    request_hash: bytes
    response: bytes


class KeyRules:
    """Follows every key of a core."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str], _Running | _Done] = {}

    def expected(self, submission: Submission, working: WorkingSet) -> Expectation:
        """What the result of a submission must be, as far as its key says."""
        claim, merchant_id = submission.claim, submission.command.merchant_id
        known = self._keys.get((merchant_id, claim.key)) if claim else None
        if claim is None or known is None:
            return _fresh
        if known.request_hash != claim.request_hash:
            return _refused(Reason.IDEMPOTENCY_KEY_REUSED)
        if isinstance(known, _Done):
            return _replayed(known.response)
        attempt = working.intents[merchant_id, known.intent_id].attempts[known.attempt_id]
        if attempt.due_at > submission.now:
            return _refused(Reason.IDEMPOTENCY_KEY_IN_USE)
        return _taken_over(attempt)

    def learn(self, submission: Submission, result: Result, working: WorkingSet) -> None:
        """Takes note of what a result means for the keys."""
        if isinstance(result, Applied) and result.events:
            self._claim(submission, result)
            self._finish(submission, result)
        for scoped, known in self._keys.items():
            record = working.keys[scoped]
            assert (record.response, record.request_hash) == (
                known.response if isinstance(known, _Done) else None,
                known.request_hash,
            )
        assert working.keys.keys() == self._keys.keys()

    def _claim(self, submission: Submission, result: Applied) -> None:
        claim, merchant_id = submission.claim, submission.command.merchant_id
        if claim is None or (merchant_id, claim.key) in self._keys:
            return
        if result.psp_call is not None:
            attempt = result.psp_call.attempt
            running = _Running(claim.request_hash, attempt.payment_intent_id, attempt.id)
            self._keys[merchant_id, claim.key] = running
        else:
            self._keys[merchant_id, claim.key] = _Done(claim.request_hash, _response(result))

    def _finish(self, submission: Submission, result: Applied) -> None:
        command = submission.command
        if not isinstance(command, RecordOutcome | ApplyNotice):
            return
        event = result.events[0]
        scoped = self._running_under(getattr(event, "attempt_id", ""))
        known = self._keys[scoped] if scoped else None
        if scoped is None or not isinstance(known, _Running):
            return
        outcome = command.outcome if isinstance(command, RecordOutcome) else command.notice.outcome
        taken_back = isinstance(event, PaymentIntentOperationAborted | RefundFailed)
        if isinstance(event, PaymentIntentFailedOver):
            self._keys[scoped] = replace(known, attempt_id=event.attempt.id)
        elif taken_back and isinstance(outcome, NotExecuted):
            del self._keys[scoped]
        else:
            self._keys[scoped] = _Done(known.request_hash, _response(result))

    def _running_under(self, attempt_id: str) -> tuple[str, str] | None:
        running = (
            scoped
            for scoped, known in self._keys.items()
            if isinstance(known, _Running) and known.attempt_id == attempt_id
        )
        return next(running, None)


def _response(result: Applied) -> bytes:
    assert result.resource is not None
    return to_bytes(result.resource)


def _fresh(result: Result) -> None:
    assert not isinstance(result, Replayed)
    if isinstance(result, Refused):
        assert result.error.reason not in (Reason.IDEMPOTENCY_KEY_IN_USE, Reason.IDEMPOTENCY_KEY_REUSED)


def _refused(reason: Reason) -> Expectation:
    def check(result: Result) -> None:
        assert isinstance(result, Refused), result
        assert result.error.reason is reason, result.error
        retry_after_s = result.error.retry_after_s
        if reason is Reason.IDEMPOTENCY_KEY_IN_USE:
            assert retry_after_s is not None and 0 < retry_after_s <= 1
        else:
            assert retry_after_s is None

    return check


def _replayed(response: bytes) -> Expectation:
    def check(result: Result) -> None:
        assert result == Replayed(response)

    return check


def _taken_over(before: Attempt) -> Expectation:
    def check(result: Result) -> None:
        assert isinstance(result, Applied) and result.psp_call is not None
        assert result.psp_call.recovering
        attempt = result.psp_call.attempt
        assert (attempt.id, attempt.psp_key) == (before.id, before.psp_key)
        assert attempt.fence == before.fence + 1
        assert attempt.due_at > before.due_at

    return check
