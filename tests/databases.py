"""A database as tests are given it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from tests.services import PostgresServer
from tests.waiting import wait_until

APPLICATION_USER = "payflow_app"
APPLICATION_PASSWORD = "application-password"

# Of another database, whose process may be about to end, or of an autovacuum.
OTHERS_OPEN = """
    SELECT count(*)
    FROM pg_stat_activity
    WHERE backend_xid IS NOT NULL
      AND (datname IS DISTINCT FROM current_database() OR backend_type <> 'client backend')
"""


@dataclass(frozen=True, slots=True)
class Database:
    """The two ways in: as the owner, who may do anything, and as the application with its few rights."""

    owner_url: str
    application_url: str

    @classmethod
    def on(cls, server: PostgresServer, name: str) -> Database:
        return cls(server.url(name), server.url(name, APPLICATION_USER, APPLICATION_PASSWORD))


def wait_for_others(database: Database) -> None:
    """Until no transaction is open but the test's own: relays and sealers leave alone what is younger."""
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        wait_until(lambda: connection.execute(OTHERS_OPEN).fetchone() == (0,))


def make_copy(connection: psycopg.Connection[Any], original: str, name: str) -> None:
    """A database like the ``original``, to which nobody is connected any more."""
    _once_left(
        connection,
        sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(original)),
    )


def drop(connection: psycopg.Connection[Any], name: str) -> None:
    """Ends whoever is connected to it."""
    _once_left(connection, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _once_left(connection: psycopg.Connection[Any], statement: sql.Composed) -> None:
    """Who has just left, and autovacuum, has five seconds to be gone: not always enough."""

    def succeeds() -> bool:
        with suppress(psycopg.errors.ObjectInUse):
            connection.execute(statement)
            return True
        return False

    wait_until(succeeds)
