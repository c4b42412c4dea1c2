"""Books draft transactions: gives every entry its place in its account and the sums behind it."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from datetime import datetime

from payflow.domain.errors import FieldViolation, PayFlowError, Reason, invalid_field
from payflow.domain.ledger.account import Account, Balance
from payflow.domain.ledger.transaction import (
    BookedEntry,
    BookedTransaction,
    DraftTransaction,
    Layer,
    Posting,
    TransactionStatus,
)

INT64_MAX = 2**63 - 1
EMPTY = Balance()


def book(
    draft: DraftTransaction,
    accounts: Mapping[str, Account],
    balances: MutableMapping[str, Balance],
    now: datetime,
) -> BookedTransaction:
    """Books ``draft`` and moves ``balances`` along, from zero where there is none; a refusal moves nothing.

    Raises UNBALANCED_TRANSACTION, CURRENCY_MISMATCH, INSUFFICIENT_BALANCE, or VALIDATION_FAILED where a
    sum would leave int64. Every field is one of ``entries``, numbered from 0 as they came.
    """
    _require_balance(draft.postings)
    moved = {posting.account_id: balances.get(posting.account_id, EMPTY) for posting in draft.postings}
    recorded_at = now
    for before in moved.values():
        if before.recorded_at is not None and before.recorded_at > recorded_at:
            recorded_at = before.recorded_at
    entries = []
    for index, posting in enumerate(draft.postings):
        account = accounts[posting.account_id]
        after = _apply(index, posting, account, moved[posting.account_id], recorded_at)
        moved[posting.account_id] = after
        entries.append(_entry(posting, account, after))
    for account_id, after in moved.items():
        _require_available(accounts[account_id], after)
    balances.update(moved)
    return BookedTransaction(
        draft.id,
        _status(draft.postings),
        tuple(entries),
        draft.resolves_transaction_id,
        draft.reverses_transaction_id,
        recorded_at,
    )


def _require_balance(postings: Sequence[Posting]) -> None:
    sums: dict[tuple[str, Layer], int] = {}
    debits: dict[tuple[str, Layer], int] = {}
    for index, posting in enumerate(postings):
        amount = posting.amount
        if amount == 0:
            raise invalid_field(f"entries[{index}].amount", "must not be zero")
        key = (posting.currency, posting.layer)
        sums[key] = sums.get(key, 0) + amount
        if amount > 0:
            debits[key] = debits.get(key, 0) + amount
            if debits[key] > INT64_MAX:
                raise invalid_field(f"entries[{index}].amount", "would take the sum of debits beyond 64 bits")
    for (currency, _), total in sums.items():
        if total:
            raise PayFlowError(
                Reason.UNBALANCED_TRANSACTION, f"entries in {currency} sum to {total}, not zero"
            )


def _apply(index: int, posting: Posting, account: Account, before: Balance, recorded_at: datetime) -> Balance:
    if posting.currency != account.currency:
        field = FieldViolation(f"entries[{index}].currency", f"must be {account.currency}")
        message = f"{field.field}: account {account.id} keeps {account.currency}, not {posting.currency}"
        raise PayFlowError(Reason.CURRENCY_MISMATCH, message, (field,))
    posted, debits, credits = before.posted, before.pending_debits, before.pending_credits
    if posting.layer is Layer.POSTED:
        posted += posting.amount
    elif (posting.amount > 0) is not posting.releases:
        debits += posting.amount
    else:
        credits -= posting.amount
    after = Balance(posted, debits, credits, before.version + 1, recorded_at)
    if max(abs(posted), debits, credits, abs(after.available(account.type))) > INT64_MAX:
        raise invalid_field(f"entries[{index}].amount", f"would take account {account.id} beyond 64 bits")
    return after


def _entry(posting: Posting, account: Account, after: Balance) -> BookedEntry:
    return BookedEntry(
        posting.account_id,
        posting.layer,
        posting.amount,
        posting.currency,
        posting.releases,
        after.version,
        after.posted,
        after.pending_debits,
        after.pending_credits,
        account.type.debit_normal,
    )


def _require_available(account: Account, after: Balance) -> None:
    if account.allow_negative:
        return
    available = after.available(account.type)
    if available < 0:
        raise PayFlowError(
            Reason.INSUFFICIENT_BALANCE,
            f"account {account.id} would be left with {available}",
            metadata={"account_id": account.id, "available": str(available)},
            subject=account.id,
        )


def _status(postings: tuple[Posting, ...]) -> TransactionStatus:
    holds = all(posting.layer is Layer.PENDING and not posting.releases for posting in postings)
    return TransactionStatus.PENDING if holds else TransactionStatus.POSTED
