"""Faults of bookkeeping: a rule that is not kept. What PostgreSQL would refuse comes without its guards."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from payflow.domain.errors import PayFlowError, Reason
from tests.torture.faults.fault import TAKE_GUARDS_AWAY, Fault, Patches, every, fault, replaced

RULES: list[Fault] = []


@fault(RULES, "expected versions are not looked at")
def versions_unchecked() -> Patches:
    return [replaced("payflow.domain.folding.ledger.LedgerFold._require_versions", _nothing)]


@fault(RULES, "expected versions are compared with the one behind them")
def versions_off_by_one() -> Patches:
    def make(require: Any) -> Any:
        return lambda fold, expected: require(fold, {account: one + 1 for account, one in expected.items()})

    return [replaced("payflow.domain.folding.ledger.LedgerFold._require_versions", make)]


@fault(RULES, "a reference may come twice", TAKE_GUARDS_AWAY)
def references_unchecked() -> Patches:
    return [replaced("payflow.domain.folding.ledger.LedgerFold._require_new_reference", _nothing)]


@fault(RULES, "accounts go below zero that may not", TAKE_GUARDS_AWAY)
def balances_unchecked() -> Patches:
    return [replaced("payflow.domain.ledger.booking._require_available", _nothing)]


@fault(RULES, "a balance is refused that suffices")
def refused_too_early() -> Patches:
    def make(require: Any) -> Any:
        def faulty(account: Any, after: Any) -> None:
            require(account, replace(after, posted=after.posted + (1 if after.posted < 0 else -1) * 5_000))

        return faulty

    return [replaced("payflow.domain.ledger.booking._require_available", make)]


@fault(RULES, "an entry may be in any currency", TAKE_GUARDS_AWAY)
def currencies_ignored() -> Patches:
    def make(apply: Any) -> Any:
        def faulty(index: int, posting: Any, account: Any, *more: Any) -> Any:
            return apply(index, replace(posting, currency=account.currency), account, *more)

        return faulty

    return [replaced("payflow.domain.ledger.booking._apply", make)]


@fault(RULES, "a hold is taken back twice", TAKE_GUARDS_AWAY)
def holds_resolved_twice() -> Patches:
    return [
        replaced("payflow.domain.ledger.undoing._require_open", _nothing),
        replaced(
            "payflow.store.commit.writing_ledger.RESOLVED_HOLDS", lambda sql: sql.rpartition(" AND ")[0]
        ),
    ]


@fault(RULES, "a hold is taken back but for one unit", TAKE_GUARDS_AWAY)
def holds_released_in_part() -> Patches:
    def make(taken_back: Any) -> Any:
        def faulty(hold: Any) -> Any:
            lines = taken_back(hold)
            return _one_unit_less(lines) if len(lines) == 2 else lines

        return faulty

    return [replaced("payflow.domain.ledger.undoing._taken_back", make)]


@fault(RULES, "a part of a hold is asked for, all of it is posted")
def parts_ignored() -> Patches:
    return [
        replaced("payflow.domain.ledger.undoing._part", lambda _: lambda entries, entry, amount: entry.amount)
    ]


@fault(RULES, "a transaction is reversed twice", TAKE_GUARDS_AWAY)
def reversed_twice() -> Patches:
    def make(reversal: Any) -> Any:
        return lambda original, *more: reversal(replace(original, reversed_by=""), *more)

    return [replaced("payflow.domain.ledger.undoing.reversal", make)]


@fault(RULES, "a reversal lacks one unit", TAKE_GUARDS_AWAY)
def inexact_reversals() -> Patches:
    def make(reversal: Any) -> Any:
        def faulty(*arguments: Any) -> Any:
            draft = reversal(*arguments)
            if len(draft.postings) != 2:
                return draft
            return replace(draft, postings=_one_unit_less(draft.postings))

        return faulty

    return [replaced("payflow.domain.ledger.undoing.reversal", make)]


@fault(RULES, "an account's versions leave one out", TAKE_GUARDS_AWAY)
def versions_skipped() -> Patches:
    unlucky = every(20)

    def make(apply: Any) -> Any:
        def faulty(*arguments: Any) -> Any:
            after = apply(*arguments)
            return replace(after, version=after.version + 1) if unlucky() else after

        return faulty

    return [replaced("payflow.domain.ledger.booking._apply", make)]


@fault(RULES, "recorded times go back", TAKE_GUARDS_AWAY)
def times_go_back() -> Patches:
    unlucky = every(20)

    def make(book: Any) -> Any:
        def faulty(*arguments: Any) -> Any:
            booked = book(*arguments)
            early = booked.recorded_at - timedelta(seconds=1)
            return replace(booked, recorded_at=early) if unlucky() else booked

        return faulty

    return [replaced("payflow.domain.folding.recording.book", make)]


@fault(RULES, "an unbalanced transaction is booked", TAKE_GUARDS_AWAY)
def sums_unchecked() -> Patches:
    def make(require: Any) -> Any:
        def faulty(postings: Any) -> None:
            try:
                require(postings)
            except PayFlowError as error:
                if error.reason is not Reason.UNBALANCED_TRANSACTION:
                    raise

        return faulty

    return [replaced("payflow.domain.ledger.booking._require_balance", make)]


def _nothing(_: Any) -> Any:
    return lambda *_: None


def _one_unit_less(lines: Any) -> Any:
    """Two lines of one amount, or the same where that is one unit."""
    if abs(lines[0].amount) == 1:
        return lines
    return tuple(replace(line, amount=line.amount - (1 if line.amount > 0 else -1)) for line in lines)
