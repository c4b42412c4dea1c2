"""A pool that waits for its first connection itself: a process that starts has nobody to ask again."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from payflow.store.database import pool as pools
from payflow.store.database.pool import PooledConnection, PoolLimits
from payflow.store.database.read_pool import ReadPool
from tests.databases import Database
from tests.waiting import WAIT_S

LIMITS = PoolLimits(connections_max=1, connections_idle_max=1)


def test_the_first_connection_may_take_its_time(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    accepts = threading.Event()

    class SlowConnection(PooledConnection):
        @classmethod
        def connect(cls, *arguments: Any, **more: Any) -> Any:
            assert accepts.wait(WAIT_S)
            return super().connect(*arguments, **more)

    monkeypatch.setattr(pools, "PooledConnection", SlowConnection)
    pool = ReadPool(database.application_url, LIMITS)
    with ThreadPoolExecutor(1) as executor:
        opening = executor.submit(pool.open, WAIT_S)
        try:
            with pytest.raises(TimeoutError):
                opening.result(0.1)
            accepts.set()
            opening.result(WAIT_S)
            assert pool.one("SELECT 1 AS one", (), time.monotonic() + WAIT_S) == {"one": 1}
        finally:
            accepts.set()
            pool.close()


def test_a_database_that_is_not_there_in_time_is_told() -> None:
    pool = ReadPool("postgresql://payflow_app@/payflow?host=/nowhere", LIMITS)
    with pytest.raises(psycopg.OperationalError):
        pool.open(0.05)
