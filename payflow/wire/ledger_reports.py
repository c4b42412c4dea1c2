"""Balances, trial balances, entries and statements as callers see them."""

from __future__ import annotations

from collections.abc import Iterable

from payflow.domain.ledger.statements import AccountBalance, AccountStatement, RecordedEntry, TrialBalance
from payflow.v1 import ledger_pb2 as pb
from payflow.wire import ledger
from payflow.wire.timestamps import timestamp


def balance(found: AccountBalance) -> pb.Balance:
    """A balance's message."""
    held = found.balance
    return pb.Balance(
        account_id=found.account_id,
        currency=found.currency,
        posted=held.posted,
        pending_debits=held.pending_debits,
        pending_credits=held.pending_credits,
        available=held.available(found.type),
        version=held.version,
        as_of=timestamp(found.as_of),
    )


def entry(found: RecordedEntry) -> pb.Entry:
    """An entry's message."""
    message = pb.Entry()
    message.recorded_at.FromDatetime(found.recorded_at)
    ledger.entry(message, found.booked, found.transaction_id, found.position, message.recorded_at)
    return message


def trial_balance(balances: Iterable[AccountBalance], trial: TrialBalance, more: str) -> pb.TrialBalance:
    """One page of ``balances`` with the totals of the book; ``more`` is the next page's token."""
    totals = [
        pb.CurrencyTotal(
            currency=total.currency,
            debits=total.debits,
            credits=total.credits,
            difference=total.debits - total.credits,
        )
        for total in trial.totals
    ]
    return pb.TrialBalance(balances=[balance(one) for one in balances], totals=totals, next_page_token=more)


def statement(found: AccountStatement, page: Iterable[RecordedEntry], more: str) -> pb.AccountStatement:
    """One ``page`` of a statement's entries; ``more`` is the next page's token."""
    return pb.AccountStatement(
        account=ledger.account(found.account),
        opening=balance(found.opening),
        entries=[entry(one) for one in page],
        closing=balance(found.closing),
        next_page_token=more,
    )
