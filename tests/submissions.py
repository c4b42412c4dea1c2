"""Commands as the use cases hand them to the commit pipeline, for tests that drive it directly."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from payflow.domain import ids
from payflow.domain.folding.submission import Applied, Command, IdempotencyClaim, Origin, Result, Submission
from payflow.domain.intent.commands import (
    CreateIntent,
    RecordOutcome,
    StartAuthorize,
    StartCapture,
    StartRefund,
)
from payflow.domain.intent.state import Attempt, CaptureMethod, PaymentIntent
from payflow.domain.merchant.commands import CreateMerchant
from payflow.domain.psp_outcome import Approved, Outcome
from payflow.domain.resources import PaymentIntentView
from payflow.domain.texts import Texts
from payflow.psp.simulator.connector import FIRST_ACCOUNT
from payflow.store.commit.committer import CommitLimits, Committer
from tests.waiting import WAIT_S

ORIGIN = Origin("test", "correlation")
LEASE = timedelta(seconds=10)
KEY_TTL = timedelta(hours=24)


def committer(url: str, limits: CommitLimits | None = None) -> Committer:
    """A committer that has not been started."""
    return Committer(url, lease=LEASE, key_ttl=KEY_TTL, limits=limits)


@dataclass(slots=True)
class Till:
    """Makes one merchant's submissions; ``now`` stands still until a test moves it."""

    merchant_id: str
    seed: int = 0
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(f"{self.merchant_id}:{self.seed}")

    def submission(
        self, command: Command, key: str | None = None, command_id: str | None = None
    ) -> Submission:
        """Any command; the request's hash is that of what it says."""
        claim = key and IdempotencyClaim(key, hashlib.sha256(repr(command).encode()).digest())
        return Submission(command, command_id or self.new_command_id(), self.now, ORIGIN, claim or None)

    def new_command_id(self) -> str:
        """A command's id."""
        return ids.command_id(self.now, self._random.randbytes(10))

    def merchant(self) -> Submission:
        """The merchant's creation."""
        command = CreateMerchant(self.merchant_id, if_missing=True, default_accounts=(FIRST_ACCOUNT,))
        return self.submission(command)

    def create(
        self,
        amount: int = 1_000,
        key: str | None = None,
        capture_method: CaptureMethod = CaptureMethod.MANUAL,
        currency: str = "USD",
        texts: Texts | None = None,
    ) -> Submission:
        """A new intent; without a key it gets one of its own, as every caller has to give one."""
        command_id = self.new_command_id()
        intent_id = ids.derive_id("pi", command_id, ids.slot_candidates(self.merchant_id)[0])
        command = CreateIntent(
            self.merchant_id, intent_id, amount, currency, capture_method, texts=texts or Texts()
        )
        return self.submission(command, key or f"create-{command_id}", command_id)

    def authorize(self, intent_id: str, key: str | None = None) -> Submission:
        """The start of an authorization at the simulator."""
        return self.submission(StartAuthorize(self.merchant_id, intent_id, "simulator"), key)

    def capture(self, intent_id: str, amount: int | None = None, key: str | None = None) -> Submission:
        """The start of a capture."""
        return self.submission(StartCapture(self.merchant_id, intent_id, amount), key)

    def refund(self, intent_id: str, amount: int | None = None, key: str | None = None) -> Submission:
        """The start of a refund."""
        return self.submission(StartRefund(self.merchant_id, intent_id, amount), key)

    def attempt_id(self, start: Submission) -> str:
        """The id of the attempt that a command will start."""
        return ids.derive_id("att", start.command_id, ids.slot_candidates(self.merchant_id)[0])

    def outcome(self, attempt: Attempt, outcome: Outcome | None = None, fallback: str = "") -> Submission:
        """What the PSP made of an attempt; approval unless something else is given."""
        command = RecordOutcome(
            self.merchant_id,
            attempt.payment_intent_id,
            attempt.id,
            attempt.fence,
            outcome or Approved(f"psp_{attempt.id}"),
            attempt.refund_id,
            attempt.idempotency_key,
            fallback,
        )
        return self.submission(command)


def commit(pipeline: Committer, submission: Submission) -> Applied:
    """Commits what must succeed."""
    result = pipeline.commit(submission, None)
    assert isinstance(result, Applied), result
    return result


def one_batch(url: str, submissions: Sequence[Submission]) -> list[Result]:
    """Commits all of them in one batch, or fewer at a time where that has to be split."""
    pipeline = committer(url)
    pending = [pipeline.submit(submission, None) for submission in submissions]
    pipeline.start()
    results = [one.result.result(WAIT_S) for one in pending]
    pipeline.close()
    return results


def intent_of(result: Result) -> PaymentIntent:
    """The intent that a command was answered with."""
    assert isinstance(result, Applied), result
    assert isinstance(result.resource, PaymentIntentView)
    return result.resource.intent


def attempt_of(result: Result) -> Attempt:
    """The PSP call that a command started."""
    assert isinstance(result, Applied) and result.psp_call is not None, result
    return result.psp_call.attempt


def captured(pipeline: Committer, till: Till, amount: int = 1_000) -> PaymentIntent:
    """A payment that was created, authorized and captured."""
    intent = intent_of(commit(pipeline, till.create(amount)))
    for start in (till.authorize(intent.id), till.capture(intent.id)):
        intent = intent_of(commit(pipeline, till.outcome(attempt_of(commit(pipeline, start)))))
    return intent
