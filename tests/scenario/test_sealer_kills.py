"""Sealers are killed at random while the ledger is written: no transaction is skipped, none is sealed twice.

PAYFLOW_SEAL_KILLS says how often. PAYFLOW_KILL_SEED makes the decisions of an earlier run again; how they
meet with the load is up to the machine.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from payflow.domain.proof.keys import SigningKey, new_key_pem
from tests.databases import Database
from tests.sealed_books import book_at_random, findings, heads, seal
from tests.services import PostgresServer
from tests.waiting import WAIT_S, wait_until

KILLS = int(os.environ.get("PAYFLOW_SEAL_KILLS", "10"))
SEED = int(os.environ.get("PAYFLOW_KILL_SEED", time.time_ns() % 1_000_000))
SEALERS = 2
LIFE_MAX_S = 0.5

SEALERS_LEFT = """
    SELECT count(*)
    FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'payflow-sealer'
"""
SEALED = """
    SELECT (SELECT count(*) FROM transactions), (SELECT count(*) FROM sealed_transactions),
           (SELECT sum(transaction_count) FROM seal_blocks), (SELECT count(*) FROM seal_blocks)
"""


@contextmanager
def _sealer(database: Database, key_file: Path) -> Iterator[subprocess.Popen[str]]:
    """A sealer in a process of its own, at work; killed at the end."""
    environment = os.environ | {
        "DATABASE_URL": database.application_url,
        "LEDGER_SIGNING_KEY": str(key_file),
    }
    command = [sys.executable, "-m", "tests.sealing_process"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "sealing\n"
            yield process
        finally:
            process.kill()
            process.wait(WAIT_S)


def _kill_again_and_again(database: Database, key_file: Path, lives_s: list[float]) -> None:
    for life_s in lives_s:
        with _sealer(database, key_file) as process:
            time.sleep(life_s)
            assert process.poll() is None, "it died by itself"


@pytest.fixture(autouse=True)
def no_analysis(postgres: PostgresServer) -> Iterator[None]:
    """What is committed can be sealed at once."""
    with postgres.without_analysis():
        yield


def test_killed_sealers_skip_nothing_and_seal_nothing_twice(
    new_database: Callable[[], Database], tmp_path: Path
) -> None:
    database = new_database()
    pem = new_key_pem()
    key_file = tmp_path / "key.pem"
    key_file.write_bytes(pem)
    chance = random.Random(SEED)
    lives_s = [[chance.uniform(0, LIFE_MAX_S) for _ in range(KILLS // SEALERS)] for _ in range(SEALERS)]
    killers = [
        threading.Thread(target=_kill_again_and_again, args=(database, key_file, lives)) for lives in lives_s
    ]
    book_at_random(database, ["keeping-0"], steps=20, seed=SEED)
    for killer in killers:
        killer.start()
    books = 1
    while any(killer.is_alive() for killer in killers):
        book_at_random(database, [f"keeping-{books}"], steps=20, seed=SEED)
        books += 1
    for killer in killers:
        killer.join(WAIT_S)

    # What a killed sealer had under way still holds its chain.
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        wait_until(lambda: connection.execute(SEALERS_LEFT).fetchone() == (0,))
    key = SigningKey(pem)
    left = seal(database, key, batch_events=1_000)
    with psycopg.connect(database.owner_url) as connection:
        found = connection.execute(SEALED).fetchone()
    assert found is not None
    booked, sealed, counted, blocks = found
    print(f"\nseed {SEED}: {KILLS} kills, {booked} transactions in {blocks} blocks, {left} left to the last")
    assert booked == sealed == counted > left
    assert findings(database, heads(database), key) == []
