"""What events say that transactions were: a second copy, that is beside the sealed rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from google.protobuf.message import DecodeError

from payflow.domain.ledger.transaction import BookedTransaction, Terms, TransactionStatus
from payflow.domain.proof.canonical import EntryRow, TransactionRow
from payflow.wire.booked_transactions import is_known
from payflow.wire.events import from_payload

# What somebody wrote into the place of an event may be anything.
UNREADABLE = (DecodeError, ValueError, KeyError, OverflowError)

Copy = tuple[TransactionRow, list[EntryRow]]


class EventsOf(Protocol):
    """Fulfilled by payflow.store.proof.sealed_ledger.SealedLedger."""

    def events_of(self, merchant_id: str, aggregate_id: str) -> list[tuple[str, int, bytes]]: ...

    def events_naming(self, merchant_id: str, transaction_id: str) -> list[tuple[str, int, bytes]]: ...


def copy_in_events(events: EventsOf, merchant_id: str, transaction_id: str) -> Copy | None:
    """The rows of a transaction as the event that booked it says; None where there is no such event."""
    own = events.events_of(merchant_id, transaction_id)
    return _copy(own, merchant_id, transaction_id) or _copy(
        events.events_naming(merchant_id, transaction_id), merchant_id, transaction_id
    )


def _copy(events: Iterable[tuple[str, int, bytes]], merchant_id: str, transaction_id: str) -> Copy | None:
    for name, version, payload in events:
        if not is_known(name, version):
            continue
        try:
            event = from_payload(name, version, payload)
        except UNREADABLE:
            continue
        booked = getattr(event, "transaction", None)
        if isinstance(booked, BookedTransaction) and booked.id == transaction_id:
            terms = Terms(
                getattr(event, "reference", ""),
                getattr(event, "effective_at", None),
                getattr(event, "expires_at", None),
            )
            return _rows(merchant_id, booked, terms)
    return None


def _rows(merchant_id: str, booked: BookedTransaction, terms: Terms) -> Copy:
    transaction = TransactionRow(
        merchant_id,
        booked.id,
        len(booked.entries),
        booked.status is not TransactionStatus.POSTED,
        terms.reference or None,
        terms.effective_at,
        terms.expires_at,
        booked.resolves_transaction_id or None,
        booked.reverses_transaction_id or None,
        booked.recorded_at,
    )
    entries = [
        EntryRow(
            position,
            entry.account_version,
            entry.amount,
            entry.posted_after,
            entry.pending_debits_after,
            entry.pending_credits_after,
            entry.releases,
            booked.recorded_at,
            entry.layer.value,
            entry.currency,
            entry.account_id,
        )
        for position, entry in enumerate(booked.entries, 1)
    ]
    return transaction, entries
