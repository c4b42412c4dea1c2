"""Pools that note what is asked of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from payflow.store.database import write_pool
from payflow.store.database.pool import Pool, PoolLimits, Rows
from payflow.store.database.read_pool import Ask, Query, ReadPool


@dataclass(frozen=True, slots=True)
class Asked:
    """A query, and whether it is planned for its parameters each time."""

    sql: str
    parameters: Sequence[Any]
    plan_anew: bool = False


class _Noting(Pool):
    """Keeps what was asked in ``asked``, in order."""

    asked: list[Asked]

    def one(self, sql: str, parameters: Sequence[Any], deadline: float) -> dict[str, Any] | None:
        self.asked.append(Asked(sql, parameters))
        return super().one(sql, parameters, deadline)

    def all(self, sql: str, parameters: Sequence[Any], deadline: float, *, plan_anew: bool = False) -> Rows:
        self.asked.append(Asked(sql, parameters, plan_anew))
        return super().all(sql, parameters, deadline, plan_anew=plan_anew)


class NotingWrites(_Noting):
    """A pool for what is written."""

    def __init__(self, conninfo: str, session: str = write_pool.SESSION) -> None:
        super().__init__(conninfo, PoolLimits(connections_max=1), "noted-writes", session)
        self.asked = []


class NotingPool(_Noting, ReadPool):
    """A pool for what is read."""

    def __init__(self, conninfo: str) -> None:
        super().__init__(conninfo, PoolLimits(connections_max=1))
        self.asked = []

    def snapshot(self, queries: Sequence[Query], deadline: float) -> list[Rows]:
        self.asked += [Asked(*query) for query in queries]
        return super().snapshot(queries, deadline)

    @contextmanager
    def instant(self, deadline: float) -> Iterator[Ask]:
        with super().instant(deadline) as ask:

            def noting(sql: str, parameters: Sequence[Any], plan_anew: bool = False) -> Rows:
                self.asked.append(Asked(sql, parameters, plan_anew))
                return ask(sql, parameters, plan_anew)

            yield noting
