"""Servers, the worker and the PSP are killed at random under load; nothing is lost and nothing is twice.

Callers repeat every request with its key until it is answered, as the contract tells them to. At the end
everything but the PSP is killed at once, recovery with its clock ahead finishes what is open, and the
callers, who are still asking, get their answers from new processes.

PAYFLOW_KILL_S says for how many seconds at least. PAYFLOW_KILL_SEED makes the decisions of an earlier run
again; how they meet with the load is up to the machine.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from server.config import Settings
from server.wiring import Core
from server.worker.recovery import Recovery
from tests.audit import assert_psp_agrees_on_every_intent
from tests.books import assert_books_right, assert_psp_agrees, open_attempts
from tests.databases import Database
from tests.killed_stack import PSP, WORKER, KilledStack
from tests.payments import Caller
from tests.persistent_caller import PersistentCaller
from tests.turned_clock import TurnedClock
from tests.waiting import WAIT_S

KILL_S = float(os.environ.get("PAYFLOW_KILL_S", "25"))
SEED = int(os.environ.get("PAYFLOW_KILL_SEED", time.time_ns() % 1_000_000))
CALLERS = 8
ROUNDS_MAX = 20
FINISH_TIMEOUT_S = 600

FINAL_EVENTS_TWICE = """
    SELECT aggregate_id, type FROM events
    WHERE type IN ('payment_intent.created', 'payment_intent.authorized', 'payment_intent.captured',
                   'payment_intent.canceled', 'payment_intent.failed')
    GROUP BY aggregate_id, type HAVING count(*) > 1
"""
# An attempt that never came to an unknown outcome was taken over because its process had died.
ORPHANS = "SELECT count(*) FROM psp_attempts WHERE fence > 1 AND checks = 0"
KEYS_RUNNING = "SELECT count(*) FROM idempotency_keys WHERE response IS NULL"


@pytest.fixture
def killed(new_database: Callable[[], Database], tmp_path: Path, valkey_url: str) -> Iterator[KilledStack]:
    with KilledStack.running(new_database(), tmp_path, valkey_url) as running:
        yield running


@pytest.mark.timeout(KILL_S + 2 * FINISH_TIMEOUT_S)
def test_random_kills_lose_nothing_and_repeat_nothing(killed: KilledStack) -> None:
    print(f"PAYFLOW_KILL_SEED={SEED}")
    stop = threading.Event()
    with ExitStack() as channels, ThreadPoolExecutor(CALLERS) as executor:
        channels.callback(stop.set)
        callers = [
            PersistentCaller(
                [channels.enter_context(Caller(address)) for address in killed.addresses],
                random.Random(f"{SEED}-{number}"),
            )
            for number in range(CALLERS)
        ]
        working = [executor.submit(caller.pay_until, stop) for caller in callers]
        ends_at = time.monotonic() + KILL_S

        def is_over() -> bool:
            enough = time.monotonic() > ends_at and _was_hard(killed, callers)
            return enough or any(one.done() for one in working)

        killed.kill_at_random(random.Random(SEED), is_over)
        killed.kill_servers_and_worker()
        recovered = _recover_everything(killed)
        stop.set()
        killed.start_servers_and_worker()
        for one in working:
            one.result(FINISH_TIMEOUT_S)

        _recover_everything(killed)
        assert_books_right(killed.stack.database.owner_url)
        assert_psp_agrees(killed.stack.database.owner_url, killed.stack.simulator)
        assert_psp_agrees_on_every_intent(killed.stack.database.owner_url, killed.stack.simulator)
        assert _rows(killed, FINAL_EVENTS_TWICE) == []
        assert _rows(killed, KEYS_RUNNING) == [(0,)]
        for caller in callers:
            caller.assert_everything_is_still_true()
    _say_how_hard_it_was(killed, callers, recovered)


def _recover_everything(killed: KilledStack) -> int:
    """Recovery with a clock that is ahead, until nothing is open; says how many attempts it found."""
    clock = TurnedClock()
    patient = killed.stack.environment | {"SIMULATOR_TIMEOUT": f"{WAIT_S:g}s"}
    core = Core(Settings.from_environment(patient), clock)
    found = 0
    try:
        for _ in range(ROUNDS_MAX):
            if open_attempts(killed.stack.database.owner_url) == 0:
                return found
            clock.forward(hours=1)
            found += Recovery(core.ports, core.due).attempts()
    finally:
        core.close()
    raise AssertionError("recovery does not come to an end")


def _was_hard(killed: KilledStack, callers: list[PersistentCaller]) -> bool:
    """Everything was killed, callers were let down, attempts were orphaned, and still there was progress."""
    return (
        set(killed.kills) == {*killed.ports, WORKER, PSP}
        and any(caller.retries["UNAVAILABLE"] for caller in callers)
        and _rows(killed, ORPHANS) > [(0,)]
        and all(len(caller.payments) > 1 for caller in callers)
    )


def _say_how_hard_it_was(killed: KilledStack, callers: list[PersistentCaller], recovered: int) -> None:
    retries = sum((caller.retries for caller in callers), Counter[str]())
    print(f"kills {dict(killed.kills)}, retries {dict(retries)}")
    payments = sum(len(caller.payments) for caller in callers)
    [(orphans,)] = _rows(killed, ORPHANS)
    print(f"payments {payments}, orphans {orphans}, recovered at the end {recovered}")


def _rows(killed: KilledStack, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(killed.stack.database.owner_url) as connection:
        return connection.execute(query).fetchall()
