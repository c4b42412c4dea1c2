"""Lays recordings out in the tables of a history."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import count, zip_longest
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from payflow.v1 import ledger_pb2 as pb
from tests.torture.recording import Observation, observations
from tests.torture.timestamps import microseconds

Rows = dict[str, list[tuple[Any, ...]]]

FLUSH_ROWS = 20_000
ASKING = {
    "PostTransaction": (pb.PostTransactionRequest, pb.Transaction),
    "PostTransactions": (pb.PostTransactionsRequest, pb.PostTransactionsResponse),
    "PostPending": (pb.PostPendingRequest, pb.Transaction),
    "VoidPending": (pb.VoidPendingRequest, pb.Transaction),
    "ReverseTransaction": (pb.ReverseTransactionRequest, pb.Transaction),
}
READING = {
    "GetBalance": (pb.GetBalanceRequest, pb.Balance),
    "BatchGetBalances": (pb.BatchGetBalancesRequest, pb.BatchGetBalancesResponse),
    "ListEntries": (pb.ListEntriesRequest, pb.ListEntriesResponse),
    "GetTransaction": (pb.GetTransactionRequest, pb.Transaction),
    "GetTrialBalance": (pb.GetTrialBalanceRequest, pb.TrialBalance),
}


def load(connection: psycopg.Connection, recordings: Iterable[Path]) -> None:
    """Writes everything that was recorded, a bounded part of it at a time."""
    loading = _Loading()
    for path in recordings:
        for observation in observations(path):
            loading.add(observation)
            if loading.size() > FLUSH_ROWS:
                _flush(connection, loading.rows)
    _flush(connection, loading.rows)


def _flush(connection: psycopg.Connection, rows: Rows) -> None:
    for table, lines in rows.items():
        with connection.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))) as copy:
            for line in lines:
                copy.write_row(line)
    rows.clear()


class _Loading:
    """Numbers calls and nodes, and makes their rows."""

    def __init__(self) -> None:
        self.rows: Rows = defaultdict(list)
        self._calls = count()
        self._nodes = count()

    def size(self) -> int:
        return sum(map(len, self.rows.values()))

    def add(self, seen: Observation) -> None:
        call = next(self._calls)
        if seen.rpc in READING:
            self._read(call, seen)
            return
        digests = [hashlib.sha256(message).digest() for message in (seen.request, seen.response)]
        key = f"{seen.merchant_id}/{seen.key}"
        line = (call, seen.rpc, key, seen.invoked, seen.answered, seen.reason, *digests)
        self.rows["calls"].append(line)
        asked, answer = (kind.FromString(data) for kind, data in _messages(ASKING, seen))
        for item, (request, outcome) in enumerate(_asks(seen, asked, answer)):
            self._ask(call, item, seen, request, *outcome)

    def _ask(self, call: int, item: int, seen: Observation, request: Any, reason: str, more: Any) -> None:
        node = next(self._nodes)
        merchant = seen.merchant_id
        named, number = _named(merchant, reason, more) if reason else ("", None)
        window = (seen.invoked, seen.answered)
        self.rows["asks"].append(
            (node, call, item, *_terms(merchant, request), *window, reason, named, number)
        )
        if isinstance(request, pb.PostTransactionRequest):
            self.rows["asked_entries"].extend(
                (node, position, f"{merchant}/{entry.account_id}", entry.amount, entry.currency)
                for position, entry in enumerate(request.entries, 1)
            )
            self.rows["expected_versions"].extend(
                (node, f"{merchant}/{account_id}", version)
                for account_id, version in request.expected_versions.items()
            )
        if not reason:
            self.rows["acknowledged"].append((node, *_acknowledged(merchant, more)))
            self._entries(node, merchant, more.entries)

    def _read(self, call: int, seen: Observation) -> None:
        node = next(self._nodes)
        merchant = seen.merchant_id
        self.rows["reads"].append((node, call, seen.rpc, seen.invoked, seen.answered, seen.reason))
        if seen.reason:
            return
        asked, answer = (kind.FromString(data) for kind, data in _messages(READING, seen))
        match answer:
            case pb.Balance():
                self._balances(node, merchant, asked, [answer])
            case pb.BatchGetBalancesResponse():
                self._balances(node, merchant, asked, answer.balances)
            case pb.ListEntriesResponse():
                self._entries(node, merchant, answer.entries)
                version = answer.entries[0].account_version if answer.entries else 0
                self.rows["seen_heads"].append((node, f"{merchant}/{asked.account_id}", version))
            case pb.Transaction():
                self._entries(node, merchant, answer.entries)
                status = _status(answer)
                later = (answer.resolved_by_transaction_id, answer.reversed_by_transaction_id)
                self.rows["seen_transactions"].append((node, asked.id, status, *later))
            case pb.TrialBalance():
                self._balances(node, merchant, asked, answer.balances)
                self.rows["seen_totals"].extend(
                    (node, one.currency, one.debits, one.credits, one.difference) for one in answer.totals
                )

    def _entries(self, node: int, merchant: str, entries: Iterable[pb.Entry]) -> None:
        self.rows["seen_entries"].extend(
            (
                node,
                entry.transaction_id,
                entry.position,
                f"{merchant}/{entry.account_id}",
                pb.Layer.Name(entry.layer).removeprefix("LAYER_"),
                entry.amount,
                entry.currency,
                entry.releases,
                entry.account_version,
                entry.posted_after,
                entry.pending_debits_after,
                entry.pending_credits_after,
                entry.balance_after,
                entry.available_after,
                microseconds(entry.recorded_at),
            )
            for entry in entries
        )

    def _balances(self, node: int, merchant: str, asked: Any, balances: Iterable[pb.Balance]) -> None:
        as_of_us = microseconds(asked.as_of) if asked.HasField("as_of") else None
        self.rows["seen_balances"].extend(
            (
                node,
                f"{merchant}/{one.account_id}",
                one.currency,
                as_of_us,
                one.version,
                one.posted,
                one.pending_debits,
                one.pending_credits,
                one.available,
                microseconds(one.as_of),
            )
            for one in balances
        )


def _messages(kinds: dict[str, tuple[Any, Any]], seen: Observation) -> Iterator[tuple[Any, bytes]]:
    asked, answer = kinds[seen.rpc]
    yield asked, seen.request
    yield answer, seen.response


def _asks(seen: Observation, asked: Any, answer: Any) -> Iterator[tuple[Any, tuple[str, Any]]]:
    """Each transaction that was asked for, with the reason it was refused for and the answer or the facts."""
    if not isinstance(asked, pb.PostTransactionsRequest):
        yield asked, (seen.reason, seen.metadata if seen.reason else answer)
    elif seen.reason:
        yield from ((one, (seen.reason, seen.metadata)) for one in asked.transactions)
    else:
        # A result without its request, or a request without its result, is for the checks to find.
        for one, result in zip_longest(asked.transactions, answer.results):
            if result is None:
                yield one, ("NO_RESULT", {})
            elif result.HasField("transaction"):
                yield one or pb.PostTransactionRequest(), ("", result.transaction)
            else:
                yield one or pb.PostTransactionRequest(), (result.error.reason, result.error.metadata)


def _terms(merchant: str, request: Any) -> tuple[Any, ...]:
    """Kind, mark, reference, target and amount."""
    match request:
        case pb.PostTransactionRequest():
            reference = f"{merchant}/{request.reference}" if request.reference else ""
            kind = "hold" if request.pending else "post"
            return kind, microseconds(request.effective_at), reference, "", None
        case pb.PostPendingRequest():
            return "settle", 0, "", request.id, request.amount if request.HasField("amount") else None
        case pb.VoidPendingRequest():
            return "void", 0, "", request.id, None
    return "reverse", 0, "", request.id, None


def _acknowledged(merchant: str, answer: pb.Transaction) -> tuple[Any, ...]:
    return (
        answer.id,
        _status(answer),
        microseconds(answer.effective_at),
        f"{merchant}/{answer.reference}" if answer.reference else "",
        answer.resolves_transaction_id,
        answer.reverses_transaction_id,
        microseconds(answer.created_at),
    )


def _named(merchant: str, reason: str, facts: Any) -> tuple[str, int | None]:
    """What a refusal was about, and the figure that it gave."""
    number = facts.get("version") if reason == "CONCURRENT_UPDATE" else facts.get("available")
    account = f"{merchant}/{facts['account_id']}" if "account_id" in facts else ""
    return account or facts.get("transaction_id", ""), int(number) if number else None


def _status(transaction: pb.Transaction) -> str:
    return pb.TransactionStatus.Name(transaction.status).removeprefix("TRANSACTION_STATUS_")
