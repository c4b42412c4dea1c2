"""Accounts, transactions, entries and balances as callers see them."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from payflow.domain.errors import PayFlowError
from payflow.domain.ledger.account import AccountType
from payflow.domain.ledger.transaction import BookedEntry, Layer, TransactionStatus
from payflow.domain.resources import AccountView, BulkResult, TransactionView
from payflow.v1 import ledger_pb2 as pb
from payflow.wire.timestamps import timestamp

TYPES = {one: pb.AccountType.Value(f"ACCOUNT_TYPE_{one}") for one in AccountType}
STATUSES = {one: pb.TransactionStatus.Value(f"TRANSACTION_STATUS_{one}") for one in TransactionStatus}
LAYERS = {one: pb.Layer.Value(f"LAYER_{one}") for one in Layer}


def account(view: AccountView) -> pb.Account:
    """An account's message."""
    return pb.Account(
        id=view.account.id,
        merchant_id=view.merchant_id,
        name=view.texts.text,
        type=TYPES[view.account.type],
        currency=view.account.currency,
        allow_negative=view.account.allow_negative,
        metadata=view.texts.metadata,
        created_at=timestamp(view.created_at),
    )


def entry(
    message: pb.Entry, booked: BookedEntry, transaction_id: str, position: int, recorded_at: Timestamp
) -> None:
    """Fills an entry's message; ``position`` counts from 1."""
    message.account_id = booked.account_id
    message.layer = LAYERS[booked.layer]
    message.amount = booked.amount
    message.currency = booked.currency
    message.balance_after = booked.balance_after
    message.account_version = booked.account_version
    message.transaction_id = transaction_id
    message.recorded_at.CopyFrom(recorded_at)
    message.releases = booked.releases
    message.posted_after = booked.posted_after
    message.pending_debits_after = booked.pending_debits_after
    message.pending_credits_after = booked.pending_credits_after
    message.available_after = booked.available_after
    message.position = position


def fill_transaction(message: pb.Transaction, view: TransactionView) -> None:
    """Fills a transaction's message where it stands: a bulk's are not copied into their results."""
    booked, terms = view.recorded.booked, view.recorded.terms
    recorded_at = message.created_at
    recorded_at.FromDatetime(booked.recorded_at)
    message.id = booked.id
    message.merchant_id = view.merchant_id
    message.status = STATUSES[booked.status]
    message.reverses_transaction_id = booked.reverses_transaction_id
    message.resolves_transaction_id = booked.resolves_transaction_id
    message.resolved_by_transaction_id = view.recorded.resolved_by
    message.reversed_by_transaction_id = view.recorded.reversed_by
    message.reference = terms.reference
    if terms.effective_at is not None:
        message.effective_at.FromDatetime(terms.effective_at)
    if terms.expires_at is not None:
        message.expires_at.FromDatetime(terms.expires_at)
    message.description = view.texts.text
    message.metadata.update(view.texts.metadata)
    entries = message.entries
    for position, one in enumerate(booked.entries, 1):
        entry(entries.add(), one, booked.id, position, recorded_at)


def transaction(view: TransactionView) -> pb.Transaction:
    """A transaction's message."""
    message = pb.Transaction()
    fill_transaction(message, view)
    return message


def bulk(result: BulkResult) -> pb.PostTransactionsResponse:
    """A bulk's message, one result per transaction."""
    response = pb.PostTransactionsResponse()
    for item in result.items:
        message = response.results.add()
        if isinstance(item, TransactionView):
            fill_transaction(message.transaction, item)
        else:
            _fill_error(message.error, item)
    return response


def _fill_error(message: pb.PostTransactionError, refusal: PayFlowError) -> None:
    message.reason = refusal.reason.name
    message.message = refusal.message
    message.field = refusal.fields[0].field if refusal.fields else ""
    message.metadata.update(refusal.metadata)
