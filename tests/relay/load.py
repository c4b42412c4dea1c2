"""Load on servers, in shares: bulks make many events fast, payments make many events of one aggregate."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial

from tests.ledger_caller import LedgerCaller

CALLERS = 8
BULK_MAX = 1_000
PAYMENTS_A_SHARE = 6
ACCOUNTS = ("cash", "sales")


class Load:
    """Work that was asked for goes on in the background."""

    def __init__(self, callers: Sequence[LedgerCaller], executor: ThreadPoolExecutor) -> None:
        self._callers = callers
        self._executor = executor
        self._begun: list[Future[None]] = []

    def add(self, events: int, decisions: random.Random) -> None:
        """At least so many events more, at both servers."""
        for _ in range(PAYMENTS_A_SHARE):
            self._begin(decisions, _pay)
        while events > 0:
            transactions = min(events, BULK_MAX)
            self._begin(decisions, partial(_post, transactions))
            events -= transactions

    def finish(self) -> None:
        """Waits for all of it. Raises what went wrong."""
        for one in self._begun:
            one.result()

    def _begin(self, decisions: random.Random, work: Callable[[LedgerCaller], None]) -> None:
        self._begun.append(self._executor.submit(work, decisions.choice(self._callers)))


@contextmanager
def load_on(addresses: Sequence[str]) -> Iterator[Load]:
    """Callers with books of their own, one a server."""
    with ExitStack() as opened, ThreadPoolExecutor(CALLERS) as executor:
        callers = []
        for number, address in enumerate(addresses):
            caller = opened.enter_context(LedgerCaller(address, f"merchant-{number}"))
            for account in ACCOUNTS:
                caller.account(account)
            callers.append(caller)
        yield Load(callers, executor)


def _post(transactions: int, caller: LedgerCaller) -> None:
    """One bulk."""
    cash, sales = ACCOUNTS
    results = caller.bulk(
        *[caller.posting((cash, number), (sales, -number)) for number in range(1, transactions + 1)]
    )
    assert all(result.HasField("transaction") for result in results), results


def _pay(caller: LedgerCaller) -> None:
    """A payment with two refunds and a hold that is posted."""
    hold = caller.hold((ACCOUNTS[0], 100), (ACCOUNTS[1], -100))
    intent = caller.captured()
    caller.refund(intent.id, 1_000)
    caller.post_hold(hold.id)
    caller.refund(intent.id, 2_000)
