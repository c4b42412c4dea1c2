"""Clients of several books, each book with another spread of load, all at work at once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from payflow.v1 import ledger_pb2 as pb
from tests.payments import Caller
from tests.torture.book import Book, Spread
from tests.torture.calling import CHANNEL, Calling
from tests.torture.client import Client, Mix
from tests.torture.known import Known
from tests.torture.reads import Reads
from tests.torture.recording import Recording
from tests.torture.requests import marks


@dataclass(slots=True)
class Crowd:
    """Clients by number; client n works on book n modulo the number of books."""

    clients: list[Client]
    recordings: list[Recording]
    executor: ThreadPoolExecutor

    @classmethod
    @contextmanager
    def gathered(
        cls,
        addresses: Sequence[str],
        directory: Path,
        seed: int,
        size: int,
        mix: Mix,
        spreads: Sequence[Spread] = tuple(Spread),
    ) -> Iterator[Crowd]:
        """Makes clients and opens the accounts of their books; all is let go of at the end."""
        books = [Book(f"torture-{spread}", spread) for spread in spreads]
        known = [Known() for _ in books]
        moments = marks()
        with ExitStack() as stack:
            callers = [stack.enter_context(Caller(address, options=CHANNEL)) for address in addresses]
            executor = stack.enter_context(ThreadPoolExecutor(size))
            clients, recordings = [], []
            for number in range(size):
                recording = Recording(directory / f"recording-{number}")
                stack.callback(recording.close)
                recordings.append(recording)
                clients.append(
                    Client(
                        f"{seed}-{number}",
                        books[number % len(books)],
                        known[number % len(books)],
                        Calling(callers, recording),
                        random.Random(f"{seed}-{number}"),
                        moments,
                        mix,
                    )
                )
            for book in books:
                _open_accounts(callers[0], book)
            yield cls(clients, recordings, executor)

    @property
    def transactions(self) -> int:
        """How many were acknowledged so far."""
        return sum(client.transactions for client in self.clients)

    @property
    def retries(self) -> Counter[str]:
        """Why calls had to be repeated, and how often."""
        return sum((client.calling.retries for client in self.clients), Counter())

    @property
    def swallowed(self) -> int:
        """How many answers were lost though the call had its effect."""
        return sum(client.calling.swallowed for client in self.clients)

    @property
    def recorded(self) -> list[Path]:
        """Where everything that was seen is written, to the last of it."""
        for recording in self.recordings:
            recording.flush()
        return [recording.path for recording in self.recordings]

    def start(self, stop: Callable[[], bool]) -> list[Future[None]]:
        """Everybody works until ``stop`` says so."""
        return [self.executor.submit(client.work, stop) for client in self.clients]

    def read_everything(self, instants: int) -> int:
        """Every book's balances, as of so many recorded instants; how many balances that were."""
        count = 0
        for client in {client.book.merchant_id: client for client in self.clients}.values():
            reads = Reads(client.book, client.known, client.calling, client.decisions)
            reads.trial_balance()
            for _ in range(instants):
                instant_us = client.known.instants_us.one(client.decisions)
                count += reads.balances_as_of(instant_us) if instant_us is not None else 0
        return count


def _open_accounts(caller: Caller, book: Book) -> None:
    for account in book.all_accounts():
        request = pb.CreateAccountRequest(
            id=account.id,
            merchant_id=book.merchant_id,
            type=account.type,
            currency=account.currency,
            allow_negative=account.allow_negative,
        )
        caller.reply(caller.ledger.CreateAccount, request)
