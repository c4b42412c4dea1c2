"""A database as tests are given it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from tests.services import PostgresServer
from tests.waiting import POLL_S, WAIT_S

APPLICATION_USER = "payflow_app"
APPLICATION_PASSWORD = "application-password"


@dataclass(frozen=True, slots=True)
class Database:
    """The two ways in: as the owner, who may do anything, and as the application with its few rights."""

    owner_url: str
    application_url: str

    @classmethod
    def on(cls, server: PostgresServer, name: str) -> Database:
        return cls(server.url(name), server.url(name, APPLICATION_USER, APPLICATION_PASSWORD))


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
    gives_up_at = time.monotonic() + WAIT_S
    while True:
        try:
            connection.execute(statement)
        except psycopg.errors.ObjectInUse:
            assert time.monotonic() < gives_up_at, "somebody stays connected"
            time.sleep(POLL_S)
        else:
            return
