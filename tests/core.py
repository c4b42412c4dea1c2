"""The pure core with its state in memory: no database, no PSP, a clock that tests turn."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

from payflow.domain.fees import FeeSchedule
from payflow.domain.folding.fold import Fold
from payflow.domain.folding.submission import (
    Applied,
    Command,
    IdempotencyClaim,
    Origin,
    Refused,
    Result,
    Submission,
)
from payflow.domain.folding.working_set import Book, Changes, WorkingSet
from payflow.domain.ids import command_id, derive_id
from payflow.domain.intent.commands import CreateIntent, RecordOutcome
from payflow.domain.intent.state import Attempt, CaptureMethod, IntentAggregate
from payflow.domain.merchant.commands import CreateMerchant, CreatePspAccount, UpdatePspAccount
from payflow.domain.merchant.decide import SIMULATOR
from payflow.domain.psp_outcome import Outcome
from payflow.domain.texts import Texts
from payflow.psp.simulator.connector import FIRST_ACCOUNT
from payflow.wire.resources import to_bytes

SECOND = "second"
LEASE = timedelta(seconds=10)
START = datetime(2026, 1, 1, tzinfo=UTC)
ORIGIN = Origin("caller", "correlation-1", "00-trace-01")


class Core:
    """Folds commands one after another. ``name`` makes the ids of one core differ from another's."""

    def __init__(self, name: str = "core") -> None:
        self.name = name
        self.now = START
        self.working = WorkingSet()
        self.changes = Changes()
        self._numbers = count(1)

    def turn_clock(self, pause: timedelta) -> None:
        """Lets time pass, or sets the clock back."""
        self.now += pause

    def submission(self, make: Callable[[str], Command], claim: IdempotencyClaim | None = None) -> Submission:
        """What ``make`` builds from the next command id, as of now."""
        entropy = hashlib.sha256(f"{self.name}:{next(self._numbers)}".encode()).digest()
        identifier = command_id(self.now, entropy)
        return Submission(make(identifier), identifier, self.now, ORIGIN, claim)

    def fold(self, submission: Submission) -> Result:
        """The result of one more command; ``changes`` is then what it changed."""
        fold = Fold(self.working, LEASE, to_bytes)
        [result] = fold.apply([submission])
        self.changes = fold.changes
        return result

    def run(self, command: Command, claim: IdempotencyClaim | None = None) -> Result:
        """The result of a command that needs no id of its own."""
        return self.fold(self.submission(lambda _: command, claim))

    def apply(self, command: Command, claim: IdempotencyClaim | None = None) -> Applied:
        """What a command came to that must not be refused."""
        result = self.run(command, claim)
        assert isinstance(result, Applied), result
        return result

    def add_merchant(self, merchant_id: str, fee_bps: int = 300, fee_fixed: int = 0) -> None:
        """A test merchant with two accounts at the simulator."""
        self.apply(CreateMerchant(merchant_id, default_accounts=(FIRST_ACCOUNT,)))
        self.apply(CreatePspAccount(merchant_id, SECOND, SIMULATOR, FeeSchedule(fee_bps, 0), "B", 200))
        self.apply(UpdatePspAccount(merchant_id, SIMULATOR, fee_bps, fee_fixed))

    def creation(
        self,
        merchant_id: str,
        amount: int,
        currency: str = "USD",
        capture_method: CaptureMethod = CaptureMethod.MANUAL,
        texts: Texts | None = None,
        claim: IdempotencyClaim | None = None,
    ) -> Submission:
        """A new intent, not yet folded; its id follows from its command's."""
        slot = self.working.merchants[merchant_id].slot

        def make(identifier: str) -> CreateIntent:
            intent_id = derive_id("pi", identifier, slot)
            return CreateIntent(
                merchant_id, intent_id, amount, currency, capture_method, "", texts or Texts()
            )

        return self.submission(make, claim)

    def aggregate(self, merchant_id: str, intent_id: str) -> IntentAggregate:
        """The intent as it stands."""
        return self.working.intents[merchant_id, intent_id]


def outcome_of(merchant_id: str, attempt: Attempt, outcome: Outcome) -> RecordOutcome:
    """The second commit of a PSP call."""
    return RecordOutcome(
        merchant_id,
        attempt.payment_intent_id,
        attempt.id,
        attempt.fence,
        outcome,
        attempt.refund_id,
        attempt.idempotency_key,
    )


def copied(working: WorkingSet) -> WorkingSet:
    """A working set that can be folded on without the first one's noticing."""
    return WorkingSet(
        dict(working.merchants),
        dict(working.slot_owners),
        dict(working.intents),
        dict(working.keys),
        {owner: Book(dict(book.accounts), dict(book.balances)) for owner, book in working.books.items()},
        dict(working.transactions),
        dict(working.references),
        dict(working.routings),
        {owner: dict(found) for owner, found in working.webhook_endpoints.items()},
        working.committed,
    )


def comparable(result: Result) -> object:
    """A result that equals another one when a caller could not tell them apart."""
    if isinstance(result, Refused):
        error = result.error
        return (
            error.reason,
            error.message,
            error.fields,
            dict(error.metadata),
            error.retry_after_s,
            error.subject,
        )
    return result
