"""Read-only queries, on one snapshot each or together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

from payflow.store.database import pipelining
from payflow.store.database.pool import Pool, PoolLimits, Rows, ask

BEGIN = "BEGIN"
COMMIT = "COMMIT"

# A single query is a transaction of its own, so that the session's defaults hold for it too.
SESSION = """
    SELECT set_config('application_name', 'payflow-reader', false),
           set_config('TimeZone', 'UTC', false),
           set_config('default_transaction_isolation', 'repeatable read', false),
           set_config('default_transaction_read_only', 'on', false)
"""

Query = tuple[str, Sequence[Any]]


class Ask(Protocol):
    """Answers a query with every row; see Pool.all."""

    def __call__(self, sql: str, parameters: Sequence[Any], plan_anew: bool = False) -> Rows: ...


class ReadPool(Pool):
    """Runs read-only queries, each group of them on one snapshot."""

    def __init__(self, conninfo: str, limits: PoolLimits) -> None:
        super().__init__(conninfo, limits, "payflow-reads", SESSION)

    def snapshot(self, queries: Sequence[Query], deadline: float) -> list[Rows]:
        """The rows of each query, all seen at one instant, in one round trip."""
        with self._connection(deadline) as connection, connection.pipeline() as pipeline:
            connection.execute(BEGIN)
            cursors = [connection.execute(sql, parameters) for sql, parameters in queries]
            connection.execute(COMMIT)
            pipelining.sync(connection, pipeline)
            return [cursor.fetchall() for cursor in cursors]

    @contextmanager
    def instant(self, deadline: float) -> Iterator[Ask]:
        """For queries that depend on each other's answers, all seen at one instant."""
        with self._connection(deadline) as connection, connection.transaction():
            yield partial(ask, connection)
