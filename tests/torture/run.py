"""One run of the torture: load and kills, then the check of everything that was seen."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from payflow.store.schema import migrate
from tests.databases import Database
from tests.services import PostgresCluster, embedded_postgres, running_cluster
from tests.torture.checker import Violation, check
from tests.torture.client import Mix
from tests.torture.crowd import Crowd
from tests.torture.victims import Victims

CLIENTS = 6
INSTANTS_SAMPLED = 100
# A number of transactions is reached through bulks, at the machine's speed.
BULKS = Mix(bulk=30)

ACKNOWLEDGED = "SELECT count(DISTINCT transaction_id) FROM torture.acknowledged"
ENTRIES = "SELECT count(*) FROM torture.history"
REFUSED = "SELECT reason, count(*) FROM torture.asks WHERE reason <> '' GROUP BY reason ORDER BY 2 DESC"
READ = "SELECT rpc, count(*) FROM torture.reads GROUP BY rpc ORDER BY rpc"
REPEATED = "SELECT count(*) - count(DISTINCT key) FROM torture.calls"


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to go on: so many seconds, and so many acknowledged transactions."""

    seed: int
    seconds: float
    transactions: int


@dataclass(frozen=True, slots=True)
class Report:
    """What was done and what was found wrong."""

    seed: int
    kills: Counter[str]
    retries: Counter[str]
    swallowed: int
    acknowledged: int
    entries: int
    refused: dict[str, int]
    reads: dict[str, int]
    keys_repeated: int
    balances_sampled: int
    load_s: float
    check_s: float
    violations: list[Violation]

    def __str__(self) -> str:
        return "\n".join(
            [
                f"torture, PAYFLOW_TORTURE_SEED={self.seed}",
                f"kills                 {dict(self.kills)}",
                f"calls repeated        {dict(self.retries)}",
                f"answers lost          {self.swallowed} of calls that had their effect",
                f"acknowledged          {self.acknowledged} transactions, {self.entries} entries",
                f"refused               {self.refused}",
                f"reads                 {self.reads}",
                f"keys used again       {self.keys_repeated}",
                f"balances sampled      {self.balances_sampled}",
                f"load, check           {self.load_s:.0f} s, {self.check_s:.0f} s",
                *(f"WRONG: {one.check}: {one.examples}" for one in self.violations),
            ]
        )


def torture(plan: Plan, directory: Path) -> Report:
    """Runs a plan on a PostgreSQL and servers of its own. Raises ApiError when a call is never answered."""
    mix = BULKS if plan.transactions else Mix()
    with _postgres() as (cluster, database):
        began = time.monotonic()
        with (
            Victims.running(cluster, database, directory) as victims,
            Crowd.gathered(victims.addresses, directory, plan.seed, CLIENTS, mix) as crowd,
        ):
            _load_and_kill(plan, victims, crowd)
            sampled = crowd.read_everything(INSTANTS_SAMPLED)
            recorded = crowd.recorded
            loaded = time.monotonic()
        violations = check(database.owner_url, recorded)
        checked = time.monotonic()
        with psycopg.connect(database.owner_url) as connection:
            [acknowledged] = connection.execute(ACKNOWLEDGED).fetchone() or [0]
            [entries] = connection.execute(ENTRIES).fetchone() or [0]
            [repeated] = connection.execute(REPEATED).fetchone() or [0]
            refused: dict[str, int] = dict(connection.execute(REFUSED).fetchall())
            reads: dict[str, int] = dict(connection.execute(READ).fetchall())
        return Report(
            plan.seed,
            victims.kills,
            crowd.retries,
            crowd.swallowed,
            acknowledged,
            entries,
            refused,
            reads,
            repeated,
            sampled,
            loaded - began,
            checked - loaded,
            violations,
        )


def _load_and_kill(plan: Plan, victims: Victims, crowd: Crowd) -> None:
    ends_at = time.monotonic() + plan.seconds
    stop = threading.Event()
    working = crowd.start(stop.is_set)

    def over() -> bool:
        enough = time.monotonic() >= ends_at and crowd.transactions >= plan.transactions
        return enough or any(one.done() for one in working)

    try:
        victims.kill_at_random(random.Random(plan.seed), over)
    finally:
        stop.set()
    for one in working:
        one.result()


@contextmanager
def _postgres() -> Iterator[tuple[PostgresCluster, Database]]:
    with running_cluster(embedded_postgres()) as cluster:
        with psycopg.connect(cluster.server.url(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE payflow")
        database = Database.on(cluster.server, "payflow")
        migrate.up(database.owner_url, database.application_url)
        yield cluster, database
