"""PayFlow without the time-outs that a slow and busy machine could meet, for tests of something else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from payflow.store.database import pool, writer_connection
from payflow.store.database.pool import Pool, PoolLimits
from payflow.store.redis import optional_redis
from server import wiring
from tests.waiting import WAIT_S

_make_pool = Pool.__init__


def _make_patient_pool(self: Pool, conninfo: str, limits: PoolLimits, name: str, session: str) -> None:
    _make_pool(self, conninfo, replace(limits, wait_max_s=WAIT_S), name, session)


Values = Sequence[tuple[object, str, object]]

WITH_POSTGRES: Values = (
    (Pool, "__init__", _make_patient_pool),
    (pool, "CONNECT_TIMEOUT_S", int(WAIT_S)),
    (writer_connection, "CONNECT_TIMEOUT_S", int(WAIT_S)),
    (writer_connection, "STATEMENT_TIMEOUT_MS", int(WAIT_S * 1000)),
    (writer_connection, "IDLE_TIMEOUT_MS", int(WAIT_S * 1000)),
    (wiring, "CONNECT_TIMEOUT_S", int(WAIT_S)),
    (wiring, "START_TIMEOUT_S", WAIT_S),
    (wiring, "READY_TIMEOUT_S", WAIT_S),
)
WITH_REDIS: Values = ((optional_redis, "TIMEOUT_S", WAIT_S),)


def be_patient(values: Values, change: Callable[[object, str, object], None] = setattr) -> None:
    """Makes this process patient, for good or by a ``change`` that is taken back."""
    for owner, name, value in values:
        change(owner, name, value)
