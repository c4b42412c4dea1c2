"""Connections to PostgreSQL that are bounded in number, waits and time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from payflow.store.database.failures import deadline_exceeded, told_to_callers

LIMIT_TIME = "SELECT set_config('statement_timeout', %s, false)"

# The time a caller has left is rounded up to one of these, so that connections seldom have to be told.
TIME_LIMITS_S = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)

CONNECT_TIMEOUT_S = 3
WAIT_MAX_S = 2.0

Rows = list[dict[str, Any]]


class PooledConnection(Connection[dict[str, Any]]):
    """A connection that remembers its statement time-out."""

    time_limit_s = 0.0

    def limit_time(self, left_s: float) -> None:
        """Sets the time-out for a caller who has ``left_s`` seconds left, unless it is that already."""
        limit_s = next((limit for limit in TIME_LIMITS_S if limit >= left_s), TIME_LIMITS_S[-1])
        if limit_s != self.time_limit_s:
            self.execute(LIMIT_TIME, [str(int(limit_s * 1000))])
            self.time_limit_s = limit_s


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Connections kept and allowed, their life, and how many callers may wait how long for one."""

    connections_max: int = 25
    connections_idle_max: int = 10
    lifetime_max_s: float = 300.0
    wait_max_s: float = field(default_factory=lambda: WAIT_MAX_S)
    waiting_max: int = 500
    statement_max_s: float = 30.0


class Pool:
    """Runs statements, each a transaction of its own, in sessions that ``session`` sets up."""

    def __init__(self, conninfo: str, limits: PoolLimits, name: str, session: str) -> None:
        self._limits = limits

        def configure(connection: PooledConnection) -> None:
            connection.execute(session.encode())

        self._pool: ConnectionPool[PooledConnection] = ConnectionPool(
            conninfo,
            connection_class=PooledConnection,
            kwargs={"autocommit": True, "row_factory": dict_row, "connect_timeout": CONNECT_TIMEOUT_S},
            min_size=min(limits.connections_idle_max, limits.connections_max),
            max_size=limits.connections_max,
            max_lifetime=limits.lifetime_max_s,
            timeout=limits.wait_max_s,
            max_waiting=limits.waiting_max,
            configure=configure,
            check=ConnectionPool.check_connection,
            name=name,
            open=False,
        )

    def open(self, within_s: float = 0) -> None:
        """Starts connecting in the background; what is asked for before that waits.

        With ``within_s`` it waits for the first connection itself, for longer than callers would. Raises
        psycopg.OperationalError where there is none by then.
        """
        self._pool.open()
        if not within_s:
            return
        try:
            with self._pool.connection(within_s):
                pass
        except BaseException:
            self._pool.close()
            raise

    def close(self) -> None:
        """Closes every connection."""
        self._pool.close()

    def one(self, sql: str, parameters: Sequence[Any], deadline: float) -> dict[str, Any] | None:
        """The first row, or None. ``deadline`` is in seconds of time.monotonic."""
        with self._connection(deadline) as connection:
            return connection.execute(sql, parameters).fetchone()

    def all(self, sql: str, parameters: Sequence[Any], deadline: float, *, plan_anew: bool = False) -> Rows:
        """Every row. ``plan_anew`` is for queries whose best plan depends on their parameters."""
        with self._connection(deadline) as connection:
            return ask(connection, sql, parameters, plan_anew)

    def execute(self, sql: str, parameters: Sequence[Any], deadline: float) -> None:
        """Runs a statement that answers nothing."""
        with self._connection(deadline) as connection:
            connection.execute(sql, parameters)

    @contextmanager
    def transaction(self, deadline: float) -> Iterator[PooledConnection]:
        """For statements that take effect together, or not at all."""
        with self._connection(deadline) as connection, connection.transaction():
            yield connection

    @contextmanager
    def _connection(self, deadline: float) -> Iterator[PooledConnection]:
        """Raises DEADLINE_EXCEEDED, OVERLOADED or DATABASE_UNAVAILABLE."""
        left_s = min(self._limits.statement_max_s, deadline - time.monotonic())
        if left_s <= 0:
            raise deadline_exceeded()
        with told_to_callers(), self._pool.connection(min(left_s, self._limits.wait_max_s)) as connection:
            connection.limit_time(left_s)
            yield connection


def ask(connection: PooledConnection, sql: str, parameters: Sequence[Any], plan_anew: bool = False) -> Rows:
    """Every row of a statement's answer."""
    return connection.execute(sql, parameters, prepare=False if plan_anew else None).fetchall()
