"""Faults of answers: the books are right, but what is told of them is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from payflow.domain.ledger.commands import PostTransactions
from payflow.domain.resources import TransactionView
from tests.torture.faults.fault import Fault, Patches, every, fault, replaced

ANSWERS: list[Fault] = []


@fault(ANSWERS, "the first two results of a bulk are swapped")
def bulk_results_swapped() -> Patches:
    def make(applied: Any) -> Any:
        def faulty(fold: Any, command: Any) -> Any:
            resource = applied(fold, command)
            if not isinstance(command, PostTransactions):
                return resource
            first, second, *others = resource.items
            return replace(resource, items=(second, first, *others))

        return faulty

    return [replaced("payflow.domain.folding.ledger.LedgerFold._applied", make)]


@fault(ANSWERS, "a batch is folded in reverse, and its answers are given out in order")
def reversed_fold() -> Patches:
    def make(apply: Any) -> Any:
        return lambda fold, submissions: apply(fold, submissions[::-1])

    return [replaced("payflow.domain.folding.fold.Fold.apply", make)]


@fault(ANSWERS, "the transactions of a bulk are answered with the balances behind the whole bulk")
def balances_behind_the_batch() -> Patches:
    def make(applied: Any) -> Any:
        def faulty(fold: Any, command: Any) -> Any:
            resource = applied(fold, command)
            if not isinstance(command, PostTransactions):
                return resource
            balances = fold._book().balances
            items = tuple(
                _with_balances(item, balances) if isinstance(item, TransactionView) else item
                for item in resource.items
            )
            return replace(resource, items=items)

        return faulty

    return [replaced("payflow.domain.folding.ledger.LedgerFold._applied", make)]


@fault(ANSWERS, "an entry is answered with the balance of the one before it")
def balance_of_another_account() -> Patches:
    def make(fill: Any) -> Any:
        def faulty(message: Any, view: Any) -> None:
            fill(message, view)
            message.entries[-1].balance_after = message.entries[0].balance_after

        return faulty

    return [replaced("payflow.wire.ledger.fill_transaction", make)]


@fault(ANSWERS, "another key's answer is given again")
def answer_of_another_key() -> Patches:
    earlier: dict[type, bytes] = {}

    def make(answer: Any) -> Any:
        def faulty(record: Any, submission: Any, attempt: Any) -> Any:
            replayed = answer(record, submission, attempt)
            first = earlier.setdefault(type(submission.command), replayed.response)
            return replace(replayed, response=first)

        return faulty

    return [replaced("payflow.domain.folding.idempotency.answer", make)]


@fault(ANSWERS, "a key that was used is answered for any request")
def requests_not_compared() -> Patches:
    def make(answer: Any) -> Any:
        def faulty(record: Any, submission: Any, attempt: Any) -> Any:
            claim = replace(submission.claim, request_hash=record.request_hash)
            return answer(record, replace(submission, claim=claim), attempt)

        return faulty

    return [replaced("payflow.domain.folding.idempotency.answer", make)]


@fault(ANSWERS, "balances are read from a cache that is behind")
def stale_balances() -> Patches:
    cache: dict[Any, Any] = {}

    def make(balance: Any) -> Any:
        def faulty(reader: Any, merchant_id: str, account_id: str, as_of: Any, deadline: float) -> Any:
            read = balance(reader, merchant_id, account_id, as_of, deadline)
            return read if as_of else cache.setdefault(account_id, read)

        return faulty

    return [replaced("payflow.store.ledger.balances_reader.BalancesReader.balance", make)]


@fault(ANSWERS, "many balances are not read from one snapshot: half of them are older")
def torn_balances() -> Patches:
    earlier: dict[str, Any] = {}

    def make(balances: Any) -> Any:
        def faulty(reader: Any, merchant_id: str, ids: Any, as_of: Any, deadline: float) -> Any:
            read = balances(reader, merchant_id, ids, as_of, deadline)
            if as_of is not None:
                return read
            half = len(read) // 2
            return [earlier.setdefault(one.account_id, one) for one in read[:half]] + read[half:]

        return faulty

    return [replaced("payflow.store.ledger.balances_reader.BalancesReader.balances", make)]


@fault(ANSWERS, "a balance as of an instant leaves out what was recorded at it")
def instant_left_out() -> Patches:
    def before(sql: str) -> str:
        return sql.replace("recorded_at <= %s", "recorded_at < %s")

    return [
        replaced("payflow.store.ledger.balances_reader.BALANCE_AS_OF", before),
        replaced("payflow.store.ledger.balances_reader.BALANCES_AS_OF", before),
    ]


@fault(ANSWERS, "a balance as of an instant is the one of now")
def instant_ignored() -> Patches:
    def make(balances: Any) -> Any:
        def faulty(reader: Any, merchant_id: str, ids: Any, as_of: Any, deadline: float) -> Any:
            read = balances(reader, merchant_id, ids, None, deadline)
            return [replace(one, as_of=as_of or one.as_of) for one in read]

        return faulty

    return [replaced("payflow.store.ledger.balances_reader.BalancesReader.balances", make)]


@fault(ANSWERS, "a page of entries leaves its first one out")
def page_leaves_one_out() -> Patches:
    unlucky = every(3)

    def make(entries: Any) -> Any:
        def faulty(*arguments: Any) -> Any:
            read = entries(*arguments)
            return read[1:] if read and unlucky() else read

        return faulty

    return [replaced("payflow.store.ledger.entries_reader.EntriesReader.entries", make)]


def _with_balances(item: TransactionView, balances: Any) -> TransactionView:
    booked = item.recorded.booked
    entries = tuple(
        replace(entry, posted_after=balances[entry.account_id].posted) for entry in booked.entries
    )
    recorded = replace(item.recorded, booked=replace(booked, entries=entries))
    return replace(item, recorded=recorded)
