"""Every projection and the whole ledger, rebuilt from events alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import psycopg

from payflow.domain.ids import bucket_of
from payflow.domain.intent.events import IntentEvent
from payflow.domain.intent.evolve import evolve
from payflow.domain.intent.state import IntentAggregate
from payflow.domain.ledger.account import Account
from payflow.domain.ledger.chart import SYSTEM_PREFIX, system_account
from payflow.domain.ledger.events import (
    AccountOpened,
    LedgerEvent,
    TransactionHeld,
    TransactionPosted,
    TransactionResolved,
)
from payflow.domain.ledger.transaction import (
    NO_TERMS,
    BookedTransaction,
    Layer,
    Terms,
    TransactionStatus,
)
from payflow.domain.merchant.events import MerchantEvent
from payflow.domain.merchant.evolve import evolve as evolve_merchant
from payflow.domain.merchant.state import Merchant
from payflow.domain.routing.events import RoutingEvent, RoutingRulesSet
from payflow.domain.routing.evolve import evolve as evolve_routing
from payflow.domain.routing.experiment import Experiment
from payflow.domain.routing.state import Routing, RulesVersion
from payflow.store import rows
from payflow.wire.events import from_payload

# In the order in which they were committed; within a commit the events of an aggregate are in order.
EVENTS = """
    SELECT merchant_id, aggregate_id, aggregate_version, type, payload, occurred_at FROM events
    ORDER BY xid, aggregate_id, aggregate_version
"""

Row = dict[str, Any]
Tables = dict[str, list[Row]]


class Replay:
    """Applies events one by one, and then says what each table holds."""

    def __init__(self) -> None:
        self._merchants: dict[str, Merchant] = {}
        self._intents: dict[tuple[str, str], IntentAggregate] = {}
        self._transactions: dict[tuple[str, str], BookedTransaction] = {}
        self._terms: dict[str, Terms] = {}
        self._accounts: dict[tuple[str, str], tuple[Account, datetime]] = {}
        self._routings: dict[str, Routing] = {}
        self._rules: list[RulesVersion] = []
        self._experiments: dict[tuple[str, str], Experiment] = {}
        self.skipped = 0

    def apply_all(self, connection: psycopg.Connection[Any]) -> None:
        """Every event of a database. Rows are tuples."""
        for merchant_id, aggregate_id, version, name, payload, at in connection.execute(EVENTS):
            event = from_payload(name, payload)
            if event is None:
                self.skipped += 1
            elif isinstance(event, MerchantEvent):
                before = self._merchants.get(merchant_id)
                self._merchants[merchant_id] = evolve_merchant(before, merchant_id, event, at)
                assert self._merchants[merchant_id].version == version
            elif isinstance(event, RoutingEvent):
                self._apply_to_routing(merchant_id, event, at)
                assert self._routings[merchant_id].version == version
            elif isinstance(event, LedgerEvent):
                self._apply_to_book(merchant_id, aggregate_id, version, event, at)
            else:
                self._apply(merchant_id, aggregate_id, event, at)
                assert self._intents[merchant_id, aggregate_id].intent.version == version

    def _apply(self, merchant_id: str, intent_id: str, event: IntentEvent, at: Any) -> None:
        scoped = (merchant_id, intent_id)
        self._intents[scoped] = evolve(self._intents.get(scoped), merchant_id, intent_id, event, at)
        transaction = getattr(event, "transaction", None)
        if transaction is not None:
            assert isinstance(transaction, BookedTransaction)
            self._transactions[merchant_id, transaction.id] = transaction

    def _apply_to_routing(self, merchant_id: str, event: RoutingEvent, at: datetime) -> None:
        routing = evolve_routing(self._routings.get(merchant_id, Routing(merchant_id)), event, at)
        self._routings[merchant_id] = routing
        if isinstance(event, RoutingRulesSet):
            assert routing.current is not None
            self._rules.append(routing.current)
        else:
            assert routing.experiment is not None
            self._experiments[merchant_id, routing.experiment.id] = routing.experiment

    def _apply_to_book(
        self, merchant_id: str, aggregate_id: str, version: int, event: LedgerEvent, at: Any
    ) -> None:
        match event:
            case AccountOpened():
                account = Account(event.account_id, event.type, event.currency, event.allow_negative)
                self._accounts[merchant_id, account.id] = (account, at)
            case TransactionPosted() | TransactionHeld():
                booked = event.transaction
                assert (aggregate_id, version) == (booked.id, 1)
                expires_at = event.expires_at if isinstance(event, TransactionHeld) else None
                self._transactions[merchant_id, booked.id] = booked
                self._terms[booked.id] = Terms(event.reference, event.effective_at, expires_at)
            case TransactionResolved():
                # The transaction that resolved it names it too; in its commit it may come later.
                assert version == 2

    def tables(self) -> Tables:
        """Rows by table, in no particular order."""
        aggregates = self._intents.values()
        entries = list(self._entries())
        return {
            "merchants": [rows.merchant_row(one) for one in self._merchants.values()],
            "psp_accounts": [
                rows.psp_account_row(account)
                for one in self._merchants.values()
                for account in one.psp_accounts.values()
            ],
            "payment_intents": [rows.bucketed(one.intent) for one in aggregates],
            "refunds": [rows.row_of(refund) for one in aggregates for refund in one.refunds.values()],
            "psp_attempts": [
                rows.bucketed(attempt, merchant_id=one.intent.merchant_id)
                for one in aggregates
                for attempt in one.attempts.values()
            ],
            "routing_rules": [rows.row_of(one) for one in self._rules],
            "routing_experiments": [rows.bucketed(one) for one in self._experiments.values()],
            "transactions": list(self._transaction_rows()),
            "entries": entries,
            "accounts": list(self._account_rows(entries)),
            "balances": list(self._balances(entries)),
        }

    def _transaction_rows(self) -> Iterator[Row]:
        resolved = {
            (merchant_id, one.resolves_transaction_id) for (merchant_id, _), one in self._transactions.items()
        }
        for (merchant_id, identifier), one in self._transactions.items():
            open_hold = one.status is TransactionStatus.PENDING
            is_resolved = open_hold and (merchant_id, identifier) in resolved
            terms = self._terms.get(identifier, NO_TERMS)
            yield {
                "reference": terms.reference or None,
                "effective_at": terms.effective_at,
                "expires_at": terms.expires_at,
                "merchant_id": merchant_id,
                "id": identifier,
                "bucket": bucket_of(merchant_id),
                "status": TransactionStatus.RESOLVED if is_resolved else one.status,
                "entry_count": len(one.entries),
                "resolves_transaction_id": one.resolves_transaction_id or None,
                "reverses_transaction_id": one.reverses_transaction_id or None,
                "recorded_at": one.recorded_at,
            }

    def _opened(self, entries: Iterable[Row]) -> dict[tuple[str, str], tuple[Account, datetime]]:
        """Accounts with when they were opened: callers' by an event, the system's by their first entry."""
        system = {
            (merchant_id, account_id): (system_account(account_id), history[0]["recorded_at"])
            for (merchant_id, account_id), history in _histories(entries).items()
            if account_id.startswith(SYSTEM_PREFIX)
        }
        return self._accounts | system

    def _account_rows(self, entries: Iterable[Row]) -> Iterator[Row]:
        for (merchant_id, _), (account, opened_at) in self._opened(entries).items():
            yield rows.row_of(account, merchant_id=merchant_id, created_at=opened_at)

    def _balances(self, entries: Iterable[Row]) -> Iterator[Row]:
        """Added up from the amounts, not copied from the sums that the entries state."""
        histories = _histories(entries)
        for (merchant_id, account_id), (account, _) in self._opened(entries).items():
            history = histories.get((merchant_id, account_id), [])
            held = [entry for entry in history if entry["layer"] is Layer.PENDING]
            debits = [entry["amount"] for entry in held if (entry["amount"] > 0) is not entry["releases"]]
            credited = [-entry["amount"] for entry in held if (entry["amount"] > 0) is entry["releases"]]
            yield {
                "merchant_id": merchant_id,
                "account_id": account_id,
                "currency": account.currency,
                "debit_normal": account.type.debit_normal,
                "allow_negative": account.allow_negative,
                "posted": sum(entry["amount"] for entry in history if entry["layer"] is Layer.POSTED),
                "pending_debits": sum(debits),
                "pending_credits": sum(credited),
                "version": len(history),
                "recorded_at": history[-1]["recorded_at"] if history else None,
            }

    def _entries(self) -> Iterator[Row]:
        for (merchant_id, identifier), one in self._transactions.items():
            for position, entry in enumerate(one.entries, 1):
                row = rows.row_of(
                    entry,
                    merchant_id=merchant_id,
                    transaction_id=identifier,
                    position=position,
                    recorded_at=one.recorded_at,
                )
                del row["debit_normal"]
                yield row


def _histories(entries: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    """The entries of each account, in the order of their versions."""
    histories: dict[tuple[str, str], list[Row]] = {}
    for entry in sorted(entries, key=lambda row: row["account_version"]):
        histories.setdefault((entry["merchant_id"], entry["account_id"]), []).append(entry)
    return histories
