"""Deliberate faults, switched on one by one: the torture's checker catches each of them.

The faults, with a line each on what goes wrong, are in tests/torture/faults. Load is put on two servers in
this process, and everything seen is checked after each round, until something is found to be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from server.config import Settings
from server.wiring import Core
from tests.databases import Database
from tests.in_process import served
from tests.torture.book import Spread
from tests.torture.checker import Violation, check
from tests.torture.checks_of_refusals import NO_REASON
from tests.torture.client import Mix
from tests.torture.crowd import Crowd
from tests.torture.faults.answers import ANSWERS
from tests.torture.faults.commits import COMMITS
from tests.torture.faults.database import DATABASE
from tests.torture.faults.fault import TAKE_GUARDS_AWAY, Fault
from tests.torture.faults.rules import RULES

FAULTS = [*COMMITS, *RULES, *ANSWERS, *DATABASE]
SEED = 7
CLIENTS = 4
# Most show in the first round, all within a few; what meets what is up to the machine.
ROUNDS_MAX = 60
ROUND_CALLS = 150
MIX = Mix(
    post=30, bulk=6, hold=12, settle=12, void=5, reverse=12, repeat=8, twins=4, reuse=4, read=30, bulk_max=20
)
INSTANTS = 2


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_torture_catches(fault: Fault, new_database: Callable[[], Database], tmp_path: Path) -> None:
    with _crowd(new_database(), tmp_path, fault.sql) as (crowd, url):
        found: list[Violation] = []
        with fault.active():
            for _ in range(ROUNDS_MAX):
                # A server that answers INTERNAL has noticed by itself; that is not the checker's merit.
                found = [one for one in _round(crowd, url) if one.check != NO_REASON]
                if found:
                    break
    print(f"{fault.name}: {[one.check for one in found]}")
    assert found, fault.says


@pytest.mark.parametrize("sql", ["", TAKE_GUARDS_AWAY], ids=["guarded", "unguarded"])
def test_without_a_fault_nothing_is_wrong(
    sql: LiteralString, new_database: Callable[[], Database], tmp_path: Path
) -> None:
    with _crowd(new_database(), tmp_path, sql) as (crowd, url):
        assert [_round(crowd, url) for _ in range(2)] == [[], []]


@contextmanager
def _crowd(database: Database, directory: Path, sql: LiteralString) -> Iterator[tuple[Crowd, str]]:
    """Clients at two servers, with their accounts opened before ``sql`` has its effect."""
    settings = Settings.from_environment({"DATABASE_URL": database.application_url, "DB_MAX_IDLE_CONNS": "2"})
    with ExitStack() as stack:
        addresses = []
        for _ in range(2):
            core = Core(settings)
            stack.callback(core.close)
            addresses.append(stack.enter_context(served(core, settings)))
        crowd = stack.enter_context(Crowd.gathered(addresses, directory, SEED, CLIENTS, MIX, [Spread.ZIPF]))
        with psycopg.connect(database.owner_url) as connection:
            connection.execute(sql or "SELECT")
        yield crowd, database.owner_url


def _round(crowd: Crowd, url: str) -> list[Violation]:
    calls = count()
    for one in crowd.start(lambda: next(calls) >= ROUND_CALLS):
        one.result()
    crowd.read_everything(INSTANTS)
    return check(url, crowd.recorded)
