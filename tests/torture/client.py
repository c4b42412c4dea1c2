"""One client of one book: it posts, holds, resolves, reverses, repeats itself and reads, as chance has it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from payflow.v1 import ledger_pb2 as pb
from tests.torture.book import Book
from tests.torture.calling import Calling
from tests.torture.known import Asked, Known
from tests.torture.reads import Reads
from tests.torture.requests import AMOUNT_MAX, Requests
from tests.torture.timestamps import microseconds


@dataclass(frozen=True, slots=True)
class Mix:
    """How often each kind of call is made, as weights, and how many transactions a bulk may have."""

    post: int = 30
    bulk: int = 8
    hold: int = 10
    settle: int = 10
    void: int = 5
    reverse: int = 6
    repeat: int = 4
    twins: int = 3
    reuse: int = 2
    read: int = 18
    bulk_max: int = 1_000


@dataclass(slots=True)
class Client:
    """Works in one thread. ``transactions`` counts what was acknowledged."""

    name: str
    book: Book
    known: Known
    calling: Calling
    decisions: random.Random
    marks: Iterator[int]
    mix: Mix
    transactions: int = 0
    _calls: Iterator[int] = field(default_factory=count)

    def work(self, stop: Callable[[], bool]) -> None:
        """One call after the other; the last one is seen through."""
        requests = Requests(self.book, self.known, self.decisions, self.marks)
        reads = Reads(self.book, self.known, self.calling, self.decisions)
        actions: dict[Callable[[], object], int] = {
            lambda: self._post(requests.posting()): self.mix.post,
            lambda: self._bulk(requests.bulk(self._bulk_size())): self.mix.bulk,
            lambda: self._post(requests.hold()): self.mix.hold,
            self._settle: self.mix.settle,
            self._void: self.mix.void,
            self._reverse: self.mix.reverse,
            self._repeat: self.mix.repeat,
            lambda: self._twins(requests.posting()): self.mix.twins,
            lambda: self._reuse(requests.posting()): self.mix.reuse,
            reads.one: self.mix.read,
        }
        while not stop():
            [action] = self.decisions.choices(list(actions), list(actions.values()))
            action()

    def _bulk_size(self) -> int:
        """Small ones as often as large ones: uniform in the logarithm."""
        return round(math.exp(self.decisions.uniform(math.log(2), math.log(self.mix.bulk_max))))

    def _post(self, request: pb.PostTransactionRequest) -> None:
        self._learn(self._ask("PostTransaction", request))

    def _bulk(self, request: pb.PostTransactionsRequest) -> None:
        response = self._ask("PostTransactions", request)
        for result in response.results if response else ():
            if result.HasField("transaction"):
                self._learn(result.transaction)

    def _settle(self) -> None:
        """Posts a hold: all of it, a part, or more than there is."""
        hold = self.known.holds.one(self.decisions)
        if hold is not None:
            part = self.decisions.choice([None, None, self.decisions.randint(1, AMOUNT_MAX)])
            request = pb.PostPendingRequest(id=hold, amount=part, merchant_id=self.book.merchant_id)
            self._learn(self._ask("PostPending", request))

    def _void(self) -> None:
        hold = self.known.holds.one(self.decisions)
        if hold is not None:
            request = pb.VoidPendingRequest(id=hold, merchant_id=self.book.merchant_id)
            self._learn(self._ask("VoidPending", request))

    def _reverse(self) -> None:
        """Reverses a transaction, sometimes a reversed one or a hold."""
        source = self.known.posted if self.decisions.random() < 0.9 else self.known.holds
        target = source.one(self.decisions)
        if target is not None:
            request = pb.ReverseTransactionRequest(id=target, merchant_id=self.book.merchant_id)
            self._learn(self._ask("ReverseTransaction", request))

    def _repeat(self) -> None:
        """The same request with its key again."""
        earlier = self.known.acknowledged.one(self.decisions)
        if earlier is not None:
            self._call(earlier.rpc, earlier.request, earlier.key)

    def _reuse(self, request: pb.PostTransactionRequest) -> None:
        """Another request with a key that was used."""
        earlier = self.known.acknowledged.one(self.decisions)
        if earlier is not None:
            self._call("PostTransaction", request, earlier.key)

    def _twins(self, request: pb.PostTransactionRequest) -> None:
        """The same request with one key twice at the same time."""
        key = self._key()
        other = random.Random(self.decisions.random())
        with ThreadPoolExecutor(1) as executor:
            twin = executor.submit(self.calling.answer, "PostTransaction", request, key, other)
            self._learn(self._call("PostTransaction", request, key))
            twin.result()

    def _ask(self, rpc: str, request: Any) -> Any:
        key = self._key()
        response = self._call(rpc, request, key)
        if response is not None:
            self.known.acknowledged.add(Asked(rpc, request, key))
        return response

    def _call(self, rpc: str, request: Any, key: str) -> Any:
        return self.calling.answer(rpc, request, key, self.decisions)

    def _key(self) -> str:
        return f"{self.name}-{next(self._calls)}"

    def _learn(self, transaction: pb.Transaction | None) -> None:
        if transaction is None:
            return
        self.transactions += 1
        held = transaction.status == pb.TRANSACTION_STATUS_PENDING
        (self.known.holds if held else self.known.posted).add(transaction.id)
        if transaction.reference:
            self.known.references.add(transaction.reference)
        self.known.instants_us.add(microseconds(transaction.created_at))
        for entry in transaction.entries:
            self.known.versions[entry.account_id] = entry.account_version
