"""Rebuilds the rows of every projection and of the ledger from the events of one aggregate at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from payflow.domain.dead_letter_events import DeadLetterEvent
from payflow.domain.folding.submission import Event
from payflow.domain.ids import bucket_of
from payflow.domain.intent.evolve import evolve as evolve_intent
from payflow.domain.intent.state import IntentAggregate
from payflow.domain.ledger.account import Account
from payflow.domain.ledger.events import (
    AccountOpened,
    LedgerEvent,
    TransactionHeld,
    TransactionPosted,
    TransactionResolved,
)
from payflow.domain.ledger.transaction import NO_TERMS, BookedTransaction, Terms, TransactionStatus
from payflow.domain.merchant.events import MerchantEvent
from payflow.domain.merchant.evolve import evolve as evolve_merchant
from payflow.domain.merchant.state import Merchant
from payflow.domain.merchant_webhooks.events import EndpointEvent
from payflow.domain.merchant_webhooks.evolve import evolve as evolve_endpoint
from payflow.domain.merchant_webhooks.state import WebhookEndpoint
from payflow.domain.routing.events import RoutingEvent, RoutingRulesSet
from payflow.domain.routing.evolve import evolve as evolve_routing
from payflow.domain.routing.state import Routing
from payflow.domain.stored_event import StoredEvent
from payflow.store import rows
from payflow.wire.events import from_payload
from payflow.wire.upcasting import NewerEventError

TableRow = tuple[str, dict[str, Any]]
Known = tuple[StoredEvent, Any]


class RebuildingError(Exception):
    """Events from which nothing can be rebuilt; says which one and why."""


class NumberingBrokenError(RebuildingError):
    """The events of an aggregate are not numbered from 1 without gaps: one is missing or was added."""


class UnreadableEventError(RebuildingError):
    """A newer release wrote the event: what it means is not known here."""


def rebuilt(events: Iterable[StoredEvent]) -> Iterator[TableRow]:
    """Rows with their tables; ``events`` come aggregate by aggregate, each in order.

    Not the accounts of the system and no balances: those follow from the entries. What was done about dead
    letters has no rows. Types that this release does not know are skipped. Raises RebuildingError.
    """
    for (merchant_id, aggregate_id), history in groupby(events, _aggregate):
        known = list(_known(history))
        if known:
            yield from _rows(merchant_id, aggregate_id, known)


def _aggregate(stored: StoredEvent) -> tuple[str, str]:
    return stored.merchant_id, stored.aggregate_id


def _known(history: Iterable[StoredEvent]) -> Iterator[Known]:
    for number, stored in enumerate(history, 1):
        if stored.aggregate_version != number:
            found = f"event {stored.aggregate_version} stands where {number} belongs"
            raise NumberingBrokenError(f"{stored.merchant_id} {stored.aggregate_id}: {found}")
        event = _read(stored)
        if event is not None:
            yield stored, event


def _read(stored: StoredEvent) -> Event | None:
    try:
        return from_payload(stored.type, stored.schema_version, stored.payload)
    except NewerEventError as error:
        raise UnreadableEventError(f"{_named(stored)}: {error}") from error


def _named(stored: StoredEvent) -> str:
    return f"{stored.merchant_id} {stored.aggregate_id} {stored.aggregate_version}"


def _rows(merchant_id: str, aggregate_id: str, known: list[Known]) -> Iterator[TableRow]:
    first: Event = known[0][1]
    if isinstance(first, MerchantEvent):
        yield from _merchant(merchant_id, known)
    elif isinstance(first, RoutingEvent):
        yield from _routing(merchant_id, known)
    elif isinstance(first, EndpointEvent):
        yield from _webhook_endpoint(merchant_id, aggregate_id, known)
    elif isinstance(first, LedgerEvent):
        yield from _book(merchant_id, known)
    elif not isinstance(first, DeadLetterEvent):
        yield from _intent(merchant_id, aggregate_id, known)


def _merchant(merchant_id: str, known: list[Known]) -> Iterator[TableRow]:
    merchant: Merchant | None = None
    for stored, event in known:
        merchant = evolve_merchant(merchant, merchant_id, event, stored.occurred_at)
    assert merchant is not None
    yield "merchants", rows.merchant_row(merchant)
    for account in merchant.psp_accounts.values():
        yield "psp_accounts", rows.psp_account_row(account)


def _routing(merchant_id: str, known: list[Known]) -> Iterator[TableRow]:
    routing = Routing(merchant_id)
    experiments = {}
    for stored, event in known:
        routing = evolve_routing(routing, event, stored.occurred_at)
        if isinstance(event, RoutingRulesSet):
            yield "routing_rules", rows.row_of(routing.current)
        elif routing.experiment is not None:
            experiments[routing.experiment.id] = routing.experiment
    for experiment in experiments.values():
        yield "routing_experiments", rows.bucketed(experiment)


def _webhook_endpoint(merchant_id: str, endpoint_id: str, known: list[Known]) -> Iterator[TableRow]:
    endpoint: WebhookEndpoint | None = None
    for stored, event in known:
        endpoint = evolve_endpoint(endpoint, merchant_id, endpoint_id, event, stored.occurred_at)
    if endpoint is not None:
        yield "webhook_endpoints", rows.bucketed(endpoint)


def _intent(merchant_id: str, intent_id: str, known: list[Known]) -> Iterator[TableRow]:
    aggregate: IntentAggregate | None = None
    booked = []
    for stored, event in known:
        aggregate = evolve_intent(aggregate, merchant_id, intent_id, event, stored.occurred_at)
        transaction = getattr(event, "transaction", None)
        if transaction is not None:
            booked.append(transaction)
    assert aggregate is not None
    yield "payment_intents", rows.bucketed(aggregate.intent)
    for refund in aggregate.refunds.values():
        yield "refunds", rows.row_of(refund)
    for attempt in aggregate.attempts.values():
        yield "psp_attempts", rows.bucketed(attempt, merchant_id=merchant_id)
    # What an intent holds, another transaction of the same intent releases.
    resolved = {one.resolves_transaction_id for one in booked}
    for transaction in booked:
        yield from _transaction(merchant_id, transaction, NO_TERMS, transaction.id in resolved)


def _book(merchant_id: str, known: list[Known]) -> Iterator[TableRow]:
    is_resolved = any(isinstance(event, TransactionResolved) for _, event in known)
    for stored, event in known:
        match event:
            case AccountOpened():
                account = Account(event.account_id, event.type, event.currency, event.allow_negative)
                yield "accounts", rows.row_of(account, merchant_id=merchant_id, created_at=stored.occurred_at)
            case TransactionHeld():
                terms = Terms(event.reference, event.effective_at, event.expires_at)
                yield from _transaction(merchant_id, event.transaction, terms, is_resolved)
            case TransactionPosted():
                terms = Terms(event.reference, event.effective_at, None)
                yield from _transaction(merchant_id, event.transaction, terms, is_resolved)


def _transaction(
    merchant_id: str, booked: BookedTransaction, terms: Terms, is_resolved: bool
) -> Iterator[TableRow]:
    held = booked.status is TransactionStatus.PENDING
    yield (
        "transactions",
        {
            "merchant_id": merchant_id,
            "id": booked.id,
            "bucket": bucket_of(merchant_id),
            "status": TransactionStatus.RESOLVED if held and is_resolved else booked.status,
            "entry_count": len(booked.entries),
            "resolves_transaction_id": booked.resolves_transaction_id or None,
            "reverses_transaction_id": booked.reverses_transaction_id or None,
            "recorded_at": booked.recorded_at,
            "reference": terms.reference or None,
            "effective_at": terms.effective_at,
            "expires_at": terms.expires_at,
        },
    )
    for position, entry in enumerate(booked.entries, 1):
        row = rows.row_of(
            entry,
            merchant_id=merchant_id,
            transaction_id=booked.id,
            position=position,
            recorded_at=booked.recorded_at,
        )
        del row["debit_normal"]
        yield "entries", row
