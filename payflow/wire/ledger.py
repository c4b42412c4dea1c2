"""Accounts, transactions, entries and balances as callers see them."""

from __future__ import annotations

from collections.abc import Iterable

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


def entry(booked: BookedEntry, transaction_id: str, position: int, recorded_at: Timestamp | None) -> pb.Entry:
    """An entry's message; ``position`` counts from 1."""
    return pb.Entry(
        account_id=booked.account_id,
        layer=LAYERS[booked.layer],
        amount=booked.amount,
        currency=booked.currency,
        balance_after=booked.balance_after,
        account_version=booked.account_version,
        transaction_id=transaction_id,
        recorded_at=recorded_at,
        releases=booked.releases,
        posted_after=booked.posted_after,
        pending_debits_after=booked.pending_debits_after,
        pending_credits_after=booked.pending_credits_after,
        available_after=booked.available_after,
        position=position,
    )


def transaction(view: TransactionView) -> pb.Transaction:
    """A transaction's message."""
    booked, terms = view.recorded.booked, view.recorded.terms
    recorded_at = timestamp(booked.recorded_at)
    return pb.Transaction(
        id=booked.id,
        merchant_id=view.merchant_id,
        description=view.texts.text,
        reference=terms.reference,
        entries=_entries(booked.entries, booked.id, recorded_at),
        status=STATUSES[booked.status],
        effective_at=timestamp(terms.effective_at),
        reverses_transaction_id=booked.reverses_transaction_id,
        resolves_transaction_id=booked.resolves_transaction_id,
        metadata=view.texts.metadata,
        created_at=recorded_at,
        expires_at=timestamp(terms.expires_at),
        resolved_by_transaction_id=view.recorded.resolved_by,
        reversed_by_transaction_id=view.recorded.reversed_by,
    )


def bulk(result: BulkResult) -> pb.PostTransactionsResponse:
    """A bulk's message, one result per transaction."""
    return pb.PostTransactionsResponse(results=[_result(item) for item in result.items])


def _result(item: TransactionView | PayFlowError) -> pb.PostTransactionResult:
    if isinstance(item, TransactionView):
        return pb.PostTransactionResult(transaction=transaction(item))
    field = item.fields[0].field if item.fields else ""
    error = pb.PostTransactionError(
        reason=item.reason.name, message=item.message, field=field, metadata=item.metadata
    )
    return pb.PostTransactionResult(error=error)


def _entries(
    entries: Iterable[BookedEntry], transaction_id: str, recorded_at: Timestamp | None
) -> list[pb.Entry]:
    return [
        entry(booked, transaction_id, position, recorded_at) for position, booked in enumerate(entries, 1)
    ]
