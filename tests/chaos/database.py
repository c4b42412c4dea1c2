"""PayFlow's database in memory: state behind the real fold, all that was ever written, the reading ports."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec

from payflow.domain.folding.fold import Fold
from payflow.domain.folding.submission import IdempotencyClaim, Result, Submission
from payflow.domain.folding.working_set import Changes, MerchantScoped, RecordedEvent, WorkingSet
from payflow.domain.intent.state import Attempt, AttemptState, PaymentIntent
from payflow.domain.intent.status import IntentStatus
from payflow.domain.ledger.transaction import BookedTransaction
from payflow.domain.merchant.state import Merchant
from payflow.domain.resources import OpenAttempt, PaymentIntentView, view
from payflow.store.payments.due_reader import EXPIRY_RETRY, DueAttempt
from payflow.wire.events import event_name
from payflow.wire.resources import to_bytes
from tests.chaos.clock import SimulatedClock
from tests.chaos.evidence import Row

LEASE = timedelta(seconds=15)


class Database:
    """Commits one command at a time, whole or not at all."""

    def __init__(self, clock: SimulatedClock) -> None:
        self.working = WorkingSet()
        self.events: list[tuple[datetime, RecordedEvent]] = []
        self._clock = clock
        self._open: dict[MerchantScoped, list[Attempt]] = {}
        self.transactions: list[tuple[str, BookedTransaction]] = []

    def commit(self, submission: Submission) -> tuple[Result, Changes]:
        """What a command came to, and what it changed."""
        fold = Fold(self.working, LEASE, to_bytes)
        [result] = fold.apply([submission])
        self.events += [(self._clock.now(), event) for event in fold.changes.events]
        self.transactions += [(owner, booked) for owner, booked, _ in fold.changes.transactions]
        for scoped in fold.changes.intents:
            attempts = self.working.intents[scoped].attempts.values()
            self._open[scoped] = [attempt for attempt in attempts if attempt.is_open]
        return result, fold.changes

    def commit_again(self, submission: Submission) -> Result:
        """What a command is told that had been committed when its acknowledgement was lost."""
        self.working.committed = frozenset({submission.command_id})
        try:
            return self.commit(submission)[0]
        finally:
            self.working.committed = frozenset()

    # What payflow.commands.ports.Payments, Attempts and Directory ask for.

    def payment_intent(self, merchant_id: str, intent_id: str, deadline: float = 0) -> PaymentIntentView:
        found = view(self.working.intents[merchant_id, intent_id])
        assert isinstance(found, PaymentIntentView)
        return found

    def of_intent(self, merchant_id: str, intent_id: str, deadline: float) -> list[Attempt]:
        return list(self.working.intents[merchant_id, intent_id].attempts.values())

    def open(
        self, merchant_id: str, until: datetime, after: tuple[datetime, str], limit: int, deadline: float
    ) -> list[OpenAttempt]:
        found = sorted(self._open_attempts(), key=lambda one: (one.attempt.started_at, one.attempt.id))
        return [one for one in found if (one.attempt.started_at, one.attempt.id) > after][:limit]

    def find(self, merchant_id: str, deadline: float) -> Merchant:
        return self.working.merchants[merchant_id]

    read = find

    def merchant_id_of(self, slot: int, deadline: float = 0) -> str:
        return self.working.slot_owners[slot]

    def stored_response(
        self, merchant_id: str, claim: IdempotencyClaim, now: datetime, deadline: float
    ) -> bytes | None:
        record = self.working.keys.get((merchant_id, claim.key))
        return record.response if record and record.request_hash == claim.request_hash else None

    # What payflow.store.payments.due_reader.DueReader tells.

    def attempts(self, now: datetime, limit: int, deadline: float) -> list[DueAttempt]:
        due = [
            one
            for one in self._open_attempts()
            if one.attempt.state is not AttemptState.PARKED and one.attempt.due_at <= now
        ]
        due.sort(key=lambda one: (one.attempt.due_at, one.attempt.id))
        return [
            DueAttempt(one.merchant_id, one.attempt.payment_intent_id, one.attempt.id, one.attempt.fence)
            for one in due[:limit]
        ]

    def expired_authorizations(self, now: datetime, limit: int, deadline: float) -> list[tuple[str, str]]:
        return [
            scoped
            for scoped, aggregate in self.working.intents.items()
            if (intent := aggregate.intent).status is IntentStatus.AUTHORIZED
            and (expires_at := intent.authorization_expires_at) is not None
            and expires_at <= now
            and (intent.updated_at < expires_at or intent.updated_at <= now - EXPIRY_RETRY)
        ][:limit]

    def next_due_at(self) -> datetime | None:
        """When the next attempt or authorization is due for the worker."""
        due = [
            one.attempt.due_at
            for one in self._open_attempts()
            if one.attempt.state is not AttemptState.PARKED
        ]
        for aggregate in self.working.intents.values():
            intent, expires_at = aggregate.intent, aggregate.intent.authorization_expires_at
            if intent.status is IntentStatus.AUTHORIZED and expires_at is not None:
                tried = intent.updated_at >= expires_at
                due.append(intent.updated_at + EXPIRY_RETRY if tried else expires_at)
        return min(due, default=None)

    def stuck(self) -> list[PaymentIntent]:
        """Intents with a call that has no outcome."""
        return [self.working.intents[scoped].intent for scoped, attempts in self._open.items() if attempts]

    def parked(self) -> list[Attempt]:
        """Calls that wait for a person."""
        return [one.attempt for one in self._open_attempts() if one.attempt.state is AttemptState.PARKED]

    def _open_attempts(self) -> Iterator[OpenAttempt]:
        for (merchant_id, _), attempts in self._open.items():
            for attempt in attempts:
                yield OpenAttempt(merchant_id, attempt)

    # What an auditor gets.

    def rows(self) -> dict[str, list[Row]]:
        """Every row, in plain values."""
        aggregates = list(self.working.intents.values())
        return {
            "intents": [_plain(one.intent) for one in aggregates],
            "refunds": [_plain(refund) for one in aggregates for refund in one.refunds.values()],
            "attempts": [_plain(attempt) for one in aggregates for attempt in one.attempts.values()],
            "keys": [{"key": key, "response": one.response} for (_, key), one in self.working.keys.items()],
            "entries": [
                {"merchant_id": owner, "transaction_id": booked.id, **_plain(entry)}
                for owner, booked in self.transactions
                for entry in booked.entries
            ],
            "events": [
                {
                    "merchant_id": one.merchant_id,
                    "aggregate_id": one.aggregate_id,
                    "aggregate_version": one.aggregate_version,
                    "type": event_name(one.data),
                    "committed_at": committed_at,
                    "data": _plain(one.data),
                }
                for committed_at, one in self.events
            ],
        }


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value, builtin_types=(datetime, bytes))
