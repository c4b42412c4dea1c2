"""Listens in on the writer's connection, and interferes with it where a test asks for that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from payflow.store.database import writer_connection

Connection = psycopg.Connection[Any]
Hook = Callable[[Connection, str], None]


def _nothing(connection: Connection, sql: str) -> None:
    pass


@dataclass(slots=True)
class WriterTap:
    """Every statement of every writer, and what happens right before and right behind it.

    ``parameters`` are those of the statement at hand.

    A hook is given the connection's own, untapped ``execute``. An error that it raises looks as if the
    statement had failed, behind it as if its answer had been lost.
    """

    before: Hook = _nothing
    behind: Hook = _nothing
    statements: list[str] = field(default_factory=list)
    parameters: Sequence[Any] = ()
    connections: int = 0

    def count(self, sql: str) -> int:
        """How often a statement was sent."""
        return self.statements.count(sql)


def tapped_writers(monkeypatch: pytest.MonkeyPatch) -> WriterTap:
    """A tap on every writer connection that is made from now on."""
    tap = WriterTap()
    connect = writer_connection._connect

    def tapped(conninfo: str) -> Connection:
        connection = connect(conninfo)
        execute = connection.execute
        tap.connections += 1

        def heard(sql: str, *arguments: Any) -> Any:
            tap.statements.append(sql)
            tap.parameters = arguments[0] if arguments else ()
            _untapped(tap.before, sql)
            cursor = execute(sql, *arguments)
            _untapped(tap.behind, sql)
            return cursor

        def _untapped(hook: Hook, sql: str) -> None:
            monkeypatch.setattr(connection, "execute", execute)
            try:
                hook(connection, sql)
            finally:
                monkeypatch.setattr(connection, "execute", heard)

        monkeypatch.setattr(connection, "execute", heard)
        return connection

    monkeypatch.setattr(writer_connection, "_connect", tapped)
    return tap
