"""What posts or voids a hold, and what reverses a transaction: drafts made from what was booked. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from payflow.domain.errors import PayFlowError, Reason, invalid_field
from payflow.domain.ledger.chart import SYSTEM_PREFIX
from payflow.domain.ledger.transaction import (
    BookedEntry,
    DraftTransaction,
    Layer,
    Posting,
    RecordedTransaction,
    TransactionStatus,
)

LINES_OF_A_PARTIAL_HOLD = 2


def posted_hold(
    hold: RecordedTransaction, transaction_id: str, amount: int | None, now: datetime
) -> DraftTransaction:
    """Posts the hold, ``amount`` minor units of it or all, and takes it back whole."""
    _require_open(hold)
    if _has_lapsed(hold, now):
        raise _refuse(hold, "the hold has expired", "EXPIRED")
    entries = hold.booked.entries
    posted = tuple(
        Posting(entry.account_id, _part(entries, entry, amount), entry.currency) for entry in entries
    )
    # Taken back first, so that nothing in between is available less than before or after.
    return DraftTransaction(transaction_id, _taken_back(hold) + posted, hold.booked.id)


def voided_hold(hold: RecordedTransaction, transaction_id: str) -> DraftTransaction:
    """Takes the hold back whole."""
    _require_open(hold)
    return DraftTransaction(transaction_id, _taken_back(hold), hold.booked.id)


def require_lapsed(hold: RecordedTransaction, now: datetime) -> None:
    """Refuses a hold that is to end by itself before its time."""
    if not _has_lapsed(hold, now):
        raise _refuse(hold, "the hold has not expired", hold.booked.status)


def reversal(original: RecordedTransaction, transaction_id: str) -> DraftTransaction:
    """Posts the opposite of every posted entry."""
    _require_callers_own(original)
    booked = original.booked
    posted = tuple(
        Posting(entry.account_id, -entry.amount, entry.currency)
        for entry in booked.entries
        if entry.layer is Layer.POSTED
    )
    if not posted:
        raise _refuse(original, "nothing was posted by it", booked.status)
    if original.reversed_by:
        raise _refuse(original, f"it was reversed by {original.reversed_by}", "REVERSED")
    return DraftTransaction(transaction_id, posted, reverses_transaction_id=booked.id)


def _has_lapsed(hold: RecordedTransaction, now: datetime) -> bool:
    return hold.terms.expires_at is not None and hold.terms.expires_at <= now


def _part(entries: tuple[BookedEntry, ...], entry: BookedEntry, amount: int | None) -> int:
    if amount is None:
        return entry.amount
    if len(entries) != LINES_OF_A_PARTIAL_HOLD:
        raise invalid_field("amount", "is for holds of two entries; this one is posted whole")
    most = abs(entry.amount)
    if not 0 < amount <= most:
        raise invalid_field("amount", f"must be minor units from 1 to {most}, the amount held")
    return amount if entry.amount > 0 else -amount


def _taken_back(hold: RecordedTransaction) -> tuple[Posting, ...]:
    return tuple(
        Posting(entry.account_id, -entry.amount, entry.currency, Layer.PENDING, releases=True)
        for entry in hold.booked.entries
    )


def _require_open(hold: RecordedTransaction) -> None:
    _require_callers_own(hold)
    if hold.booked.status is TransactionStatus.POSTED:
        raise _refuse(hold, "it is not a hold", hold.booked.status)
    if hold.booked.status is TransactionStatus.RESOLVED:
        raise _refuse(hold, "the hold was resolved before", hold.booked.status)


def _require_callers_own(transaction: RecordedTransaction) -> None:
    if any(entry.account_id.startswith(SYSTEM_PREFIX) for entry in transaction.booked.entries):
        raise _refuse(transaction, "it belongs to a payment", transaction.booked.status)


def _refuse(transaction: RecordedTransaction, why: str, status: str) -> PayFlowError:
    return PayFlowError(
        Reason.INVALID_STATE_TRANSITION,
        f"transaction {transaction.booked.id}: {why}",
        metadata={"status": status.lower()},
        subject=transaction.booked.id,
    )


def resolved(hold: RecordedTransaction, by: str) -> RecordedTransaction:
    """The hold behind its resolution."""
    booked = replace(hold.booked, status=TransactionStatus.RESOLVED)
    return replace(hold, booked=booked, resolved_by=by)
