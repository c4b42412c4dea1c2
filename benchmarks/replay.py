"""Events replayed a second, beside reading them, in one run.

Run with ``make benchmark-replay``. Random payments of many merchants, with every kind of outcome, go through
the commit pipeline until there are as many events as asked for (100,000 when not). Then `payflow replay`'s
parts rebuild everything from the events and compare it, row by row, with what is stored.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
from psycopg.rows import dict_row

from payflow.events.replay.replay import rebuild
from payflow.store.commit.committer import Committer
from payflow.store.replay.fresh_tables import KEYS, FreshTables
from payflow.store.schema import migrate
from tests.databases import Database
from tests.random_payments import RandomPayments
from tests.services import embedded_postgres, running_postgres
from tests.submissions import Till, committer

EVENTS = 100_000
WRITERS = 16
STEPS_AT_ONCE = 25
FROM = datetime(2030, 1, 1, tzinfo=UTC)
COUNT = "SELECT count(*) AS events FROM events"


def main() -> None:
    """Prints a line for reading, one for replaying and one for comparing."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    with running_postgres(embedded_postgres()) as server:
        database = Database.on(server, "postgres")
        migrate.up(database.owner_url, database.application_url)
        _write(database, wanted)
        tables = FreshTables(database.application_url)
        events = tables.count()
        read_s = _seconds(lambda: sum(1 for _ in tables.events()))
        replay_s = _seconds(lambda: rebuild(tables))
        started = time.monotonic()
        different = [one for table in KEYS for one in tables.differences(table, 1)]
        compare_s = time.monotonic() - started
        tables.close()
    print(f"{'what':<28} {'events':>9} {'a second':>9} {'of reading':>11}")
    for what, seconds in (("read", read_s), ("replayed", replay_s), ("compared", compare_s)):
        print(f"{what:<28} {events:>9,} {events / seconds:>9,.0f} {read_s / seconds:>10.0%}")
    print(f"rows that differ: {len(different)}")


def _seconds(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def _write(database: Database, wanted: int) -> None:
    pipeline = committer(database.application_url)
    pipeline.start()
    enough = threading.Event()
    with ThreadPoolExecutor(WRITERS) as executor:
        for finished in [
            executor.submit(_pay, database, pipeline, number, enough, wanted) for number in range(WRITERS)
        ]:
            finished.result()
    pipeline.close()


def _pay(database: Database, pipeline: Committer, number: int, enough: threading.Event, wanted: int) -> None:
    """One merchant after another, so that none has so many payments that finding some to move is slow."""
    with psycopg.connect(database.owner_url, autocommit=True, row_factory=dict_row) as connection:
        merchants = 0
        while not enough.is_set():
            seed = number + WRITERS * merchants
            till = Till(f"merchant-{seed}", now=FROM)
            payments = RandomPayments(pipeline, till, random.Random(seed), connection)
            payments.set_up()
            for _ in range(STEPS_AT_ONCE):
                payments.step()
            merchants += 1
            row = connection.execute(COUNT).fetchone()
            if row is not None and row["events"] >= wanted:
                enough.set()


if __name__ == "__main__":
    main()
