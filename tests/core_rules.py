"""What must hold of the core's state and books after every command, worked out here from the events alone."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import cast

from payflow.domain.folding.working_set import Changes, RecordedEvent, WorkingSet
from payflow.domain.intent.events import IntentEvent
from payflow.domain.intent.evolve import evolve
from payflow.domain.intent.state import IntentAggregate
from payflow.domain.intent.status import IntentStatus, RefundStatus
from payflow.domain.ledger.account import Balance
from payflow.domain.ledger.transaction import BookedEntry, BookedTransaction, Layer, TransactionStatus
from payflow.domain.merchant.events import MerchantEvent
from payflow.domain.merchant.evolve import evolve as evolve_merchant
from payflow.domain.merchant.state import Merchant, aggregate_id
from payflow.domain.psp_outcome import OperationType
from payflow.wire.events import event_name, from_payload, schema_version, to_payload

# Written down from the public contract, not taken from INTENT_MOVES.
CONTRACT_MOVES = {
    ("CREATED", "PROCESSING"),
    ("REQUIRES_ACTION", "PROCESSING"),
    ("AUTHORIZED", "PROCESSING"),
    ("PROCESSING", "REQUIRES_ACTION"),
    ("PROCESSING", "AUTHORIZED"),
    ("PROCESSING", "CAPTURED"),
    ("PROCESSING", "CANCELED"),
    ("PROCESSING", "FAILED"),
    ("PROCESSING", "CREATED"),
    ("CREATED", "CANCELED"),
    ("CAPTURED", "REFUNDED"),
    ("CAPTURED", "FAILED"),
    ("REFUNDED", "CAPTURED"),
}


@dataclass(slots=True)
class _Sums:
    """One account's running sums."""

    posted: int = 0
    debits: int = 0
    credits: int = 0
    version: int = 0
    recorded_at: datetime | None = None


@dataclass(slots=True)
class Journal:
    """Does the ledger's arithmetic over again and keeps track of holds, by merchant."""

    sums: defaultdict[tuple[str, str], _Sums] = field(default_factory=lambda: defaultdict(_Sums))
    open_holds: dict[tuple[str, str], BookedTransaction] = field(default_factory=dict)
    transaction_ids: set[tuple[str, str]] = field(default_factory=set)
    reversed_ids: set[tuple[str, str]] = field(default_factory=set)

    def follow(self, changes: Changes) -> None:
        """Books what a fold booked, and finds it right."""
        for merchant_id, account, _ in changes.opened_accounts:
            assert (merchant_id, account.id) not in self.sums, "an account was opened twice"
        for merchant_id, transaction, _ in changes.transactions:
            self._book(merchant_id, transaction)

    def _book(self, merchant_id: str, transaction: BookedTransaction) -> None:
        scoped = (merchant_id, transaction.id)
        assert scoped not in self.transaction_ids, "a transaction was booked twice"
        self.transaction_ids.add(scoped)
        totals: defaultdict[tuple[str, Layer], int] = defaultdict(int)
        for entry in transaction.entries:
            totals[entry.currency, entry.layer] += entry.amount
            self._enter(merchant_id, entry, transaction.recorded_at)
        assert len(transaction.entries) >= 2
        assert set(totals.values()) == {0}
        self._resolve(merchant_id, transaction)
        if transaction.reverses_transaction_id:
            reversed_id = (merchant_id, transaction.reverses_transaction_id)
            assert reversed_id in self.transaction_ids - self.reversed_ids, "reversed twice, or never booked"
            self.reversed_ids.add(reversed_id)
        if transaction.status is TransactionStatus.PENDING:
            assert {entry.layer for entry in transaction.entries} == {Layer.PENDING}
            self.open_holds[scoped] = transaction

    def _enter(self, merchant_id: str, entry: BookedEntry, recorded_at: datetime) -> None:
        account = self.sums[merchant_id, entry.account_id]
        assert entry.amount != 0
        if entry.layer is Layer.POSTED:
            account.posted += entry.amount
        elif (entry.amount > 0) is not entry.releases:
            account.debits += entry.amount
        else:
            account.credits -= entry.amount
        account.version += 1
        assert account.recorded_at is None or account.recorded_at <= recorded_at, "recorded_at fell"
        account.recorded_at = recorded_at
        assert min(account.debits, account.credits) >= 0
        stated = entry.posted_after, entry.pending_debits_after, entry.pending_credits_after
        assert (entry.account_version, *stated) == (
            account.version,
            account.posted,
            account.debits,
            account.credits,
        )

    def _resolve(self, merchant_id: str, transaction: BookedTransaction) -> None:
        released = sorted((one.account_id, -one.amount) for one in transaction.entries if one.releases)
        if not transaction.resolves_transaction_id:
            assert released == []
            return
        hold = self.open_holds.pop((merchant_id, transaction.resolves_transaction_id), None)
        assert hold is not None, "a hold was resolved that is not open"
        assert released == sorted((one.account_id, one.amount) for one in hold.entries)

    def check_balances(self, working: WorkingSet) -> None:
        """Every balance is the sum of its entries, and there are no others."""
        found = {
            (merchant_id, account_id): balance
            for merchant_id, book in working.books.items()
            for account_id, balance in book.balances.items()
        }
        assert found == {
            scoped: Balance(one.posted, one.debits, one.credits, one.version, one.recorded_at)
            for scoped, one in self.sums.items()
        }

    def check_holds(self, working: WorkingSet) -> None:
        """Open are the holds of standing authorizations and of pending refunds: no others."""
        expected = {
            (merchant_id, hold): amount
            for (merchant_id, _), aggregate in working.intents.items()
            for hold, amount in _standing_holds(aggregate)
        }
        held = {
            scoped: sum(entry.amount for entry in hold.entries if entry.amount > 0)
            for scoped, hold in self.open_holds.items()
        }
        assert held == expected


def _standing_holds(aggregate: IntentAggregate) -> list[tuple[str, int]]:
    intent = aggregate.intent
    resumes = intent.operation.resumes if intent.operation else intent.status
    holds = [
        (refund.hold_transaction_id, refund.amount)
        for refund in aggregate.refunds.values()
        if refund.status is RefundStatus.PENDING
    ]
    holds += [
        (attempt.undoes_transaction_id, attempt.amount)
        for attempt in aggregate.attempts.values()
        if attempt.undoes and attempt.is_open and attempt.operation is OperationType.CANCEL
    ]
    if resumes is IntentStatus.AUTHORIZED:
        holds.append((intent.hold_transaction_id, intent.authorized_amount))
    else:
        assert intent.hold_transaction_id == ""
    return holds


def check_amounts(aggregate: IntentAggregate) -> None:
    """Captures stay within authorizations, and refunds within captures."""
    intent = aggregate.intent
    refunds = list(aggregate.refunds.values())
    refunded = sum(one.amount for one in refunds if one.status is RefundStatus.REFUNDED)
    pending = sum(one.amount for one in refunds if one.status is RefundStatus.PENDING)
    assert 0 <= intent.captured_amount <= intent.authorized_amount <= intent.amount
    assert 0 <= intent.fee_amount <= intent.amount
    assert (intent.refunded_amount, intent.refund_pending_amount) == (refunded, pending)
    assert refunded + pending <= intent.captured_amount
    assert (intent.status is IntentStatus.PROCESSING) is (intent.operation is not None)
    operations = [
        one.id for one in aggregate.attempts.values() if one.is_open and not one.refund_id and not one.undoes
    ]
    assert operations == ([intent.operation.attempt_id] if intent.operation else [])
    if intent.status is IntentStatus.REFUNDED:
        assert intent.refunded_amount == intent.captured_amount > 0


class Archive:
    """Every event so far, as bytes, and the states that they replay to."""

    def __init__(self, working: WorkingSet) -> None:
        self._merchants: dict[str, Merchant] = dict(working.merchants)
        self._intents: dict[tuple[str, str], IntentAggregate] = {}
        self._versions = {aggregate_id(one.id): one.version for one in working.merchants.values()}
        self.moves: set[tuple[str, str]] = set()

    def follow(self, changes: Changes) -> None:
        """Replays what a fold recorded from its bytes, one event after another."""
        for event in changes.events:
            last = self._versions.get(event.aggregate_id, 0)
            assert event.aggregate_version == last + 1, "the versions of an aggregate have a gap"
            self._versions[event.aggregate_id] = event.aggregate_version
            self._replay(event)

    def _replay(self, recorded: RecordedEvent) -> None:
        name, payload = event_name(recorded.data), to_payload(recorded.data)
        event = from_payload(name, schema_version(recorded.data), payload)
        assert event == recorded.data
        assert event is not None
        assert to_payload(event) == payload
        scoped = (recorded.merchant_id, recorded.aggregate_id)
        if recorded.aggregate_id == aggregate_id(recorded.merchant_id):
            owner, change = recorded.merchant_id, cast("MerchantEvent", event)
            before = self._merchants.get(owner)
            self._merchants[owner] = evolve_merchant(before, owner, change, recorded.occurred_at)
            return
        intent = self._intents.get(scoped)
        after = evolve(intent, *scoped, cast("IntentEvent", event), recorded.occurred_at)
        if intent is not None and intent.intent.status is not after.intent.status:
            move = (intent.intent.status.value, after.intent.status.value)
            assert move in CONTRACT_MOVES
            self.moves.add(move)
        self._intents[scoped] = after

    def check(self, working: WorkingSet) -> None:
        """The events say all there is to know, but for free text."""
        assert self._merchants == working.merchants
        textless = {scoped: replace(one, texts={}) for scoped, one in working.intents.items()}
        assert self._intents == textless
