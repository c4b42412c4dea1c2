"""Books draft transactions: gives every entry its place in its account and the sums behind it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import replace
from datetime import datetime

from payflow.domain.errors import PayFlowError, Reason, invalid_field
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


def book(
    draft: DraftTransaction,
    accounts: Mapping[str, Account],
    balances: MutableMapping[str, Balance],
    now: datetime,
) -> BookedTransaction:
    """Books ``draft`` and moves ``balances`` along, from zero where there is none; a refusal moves nothing.

    Raises UNBALANCED_TRANSACTION, CURRENCY_MISMATCH, INSUFFICIENT_BALANCE, or VALIDATION_FAILED where a
    sum would leave int64.
    """
    _require_balance(draft.postings)
    moved = {posting.account_id: balances.get(posting.account_id, Balance()) for posting in draft.postings}
    recorded_at = max([now, *(before.recorded_at for before in moved.values() if before.recorded_at)])
    entries = []
    for posting in draft.postings:
        after = _apply(posting, accounts[posting.account_id], moved[posting.account_id], recorded_at)
        moved[posting.account_id] = after
        entries.append(_entry(posting, after))
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


def _require_balance(postings: Iterable[Posting]) -> None:
    sums: defaultdict[tuple[str, Layer], int] = defaultdict(int)
    for posting in postings:
        if posting.amount == 0:
            raise invalid_field("entries.amount", "must not be zero")
        sums[posting.currency, posting.layer] += posting.amount
    for (currency, _), total in sums.items():
        if total:
            raise PayFlowError(
                Reason.UNBALANCED_TRANSACTION, f"entries in {currency} sum to {total}, not zero"
            )


def _apply(posting: Posting, account: Account, before: Balance, recorded_at: datetime) -> Balance:
    if posting.currency != account.currency:
        raise PayFlowError(
            Reason.CURRENCY_MISMATCH,
            f"account {account.id} keeps {account.currency}, the entry is in {posting.currency}",
        )
    after = replace(before, version=before.version + 1, recorded_at=recorded_at)
    if posting.layer is Layer.POSTED:
        after = replace(after, posted=before.posted + posting.amount)
    elif (posting.amount > 0) is not posting.releases:
        after = replace(after, pending_debits=before.pending_debits + posting.amount)
    else:
        after = replace(after, pending_credits=before.pending_credits - posting.amount)
    if max(abs(after.posted), after.pending_debits, after.pending_credits) > INT64_MAX:
        raise invalid_field("entries.amount", f"would take account {account.id} beyond 64 bits")
    return after


def _entry(posting: Posting, after: Balance) -> BookedEntry:
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
    )


def _require_available(account: Account, after: Balance) -> None:
    available = after.available(account.type)
    if account.allow_negative or available >= 0:
        return
    raise PayFlowError(
        Reason.INSUFFICIENT_BALANCE,
        f"account {account.id} would be left with {available}",
        subject=account.id,
    )


def _status(postings: tuple[Posting, ...]) -> TransactionStatus:
    holds = all(posting.layer is Layer.PENDING and not posting.releases for posting in postings)
    return TransactionStatus.PENDING if holds else TransactionStatus.POSTED
