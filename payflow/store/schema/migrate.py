"""Brings a database's schema to a version, by numbered SQL files, each in a transaction of its own.

Both URLs must lead straight to PostgreSQL: a pooler that hands out another connection per transaction
would lose the session lock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from importlib.resources.abc import Traversable

import psycopg
from psycopg.rows import TupleRow

from payflow.store.schema.application_role import ensure_application_role
from payflow.store.schema.migration_files import Migration, MigrationError, load

MIGRATIONS = files("migrations")
CONNECT_TIMEOUT_S = 10
TURN_TIMEOUT_S = 60
TABLE_LOCK_TIMEOUT_S = 10

# Any number does, as long as nothing else in the database takes the same advisory lock.
LOCK_KEY = 0x7061_7966_6C6F_77

SET_LOCK_TIMEOUT = "SELECT set_config('lock_timeout', %s, false)"
TAKE_TURN = "SELECT pg_advisory_lock(%s)"
CREATE_TABLE = """
    CREATE TABLE IF NOT EXISTS schema_migrations (
        version integer PRIMARY KEY CHECK (version > 0),
        name text NOT NULL,
        checksum text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
    )
"""
GRANT_TABLE = "GRANT SELECT ON schema_migrations TO payflow_application"
TABLE_EXISTS = "SELECT to_regclass('schema_migrations') IS NOT NULL"
SELECT_APPLIED = "SELECT version, name, checksum, applied_at FROM schema_migrations ORDER BY version"
INSERT_APPLIED = "INSERT INTO schema_migrations (version, name, checksum) VALUES (%s, %s, %s)"
DELETE_APPLIED = "DELETE FROM schema_migrations WHERE version = %s"


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """One migration and when it was applied (UTC); None while it is pending."""

    version: int
    name: str
    applied_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Applied:
    version: int
    name: str
    checksum: str
    applied_at: datetime


def up(
    owner_url: str, application_url: str, to: int | None = None, directory: Traversable = MIGRATIONS
) -> list[Migration]:
    """Applies what is pending, up to version ``to`` or all of it, and returns what was applied.

    Makes sure first that the application's roles exist. Of two that start at once, the second waits
    and then finds nothing to do. Raises MigrationError, and leaves every migration before the failed one in.
    """
    migrations = load(directory)
    target = _checked_target(migrations, to, default=len(migrations))
    with _turn(owner_url) as connection:
        ensure_application_role(connection, application_url)
        connection.execute(CREATE_TABLE)
        connection.execute(GRANT_TABLE)
        applied = _checked_history(connection, migrations)
        pending = migrations[len(applied) : target]
        for migration in pending:
            _apply(connection, migration)
    return list(pending)


def down(owner_url: str, to: int, directory: Traversable = MIGRATIONS) -> list[Migration]:
    """Reverts, newest first, every migration above version ``to`` and returns what was reverted."""
    migrations = load(directory)
    target = _checked_target(migrations, to, default=0)
    with _turn(owner_url) as connection:
        applied = _checked_history(connection, migrations)
        reverted = migrations[target : len(applied)][::-1]
        for migration in reverted:
            _revert(connection, migration)
    return list(reverted)


def status(owner_url: str, directory: Traversable = MIGRATIONS) -> list[MigrationStatus]:
    """Every migration, oldest first. Raises MigrationError where files and database contradict each other."""
    migrations = load(directory)
    with _connection(owner_url) as connection:
        applied = _checked_history(connection, migrations)
    times = {row.version: row.applied_at for row in applied}
    return [MigrationStatus(each.version, each.name, times.get(each.version)) for each in migrations]


def expected_version(directory: Traversable = MIGRATIONS) -> int:
    """The version of the schema that this release was written for."""
    return len(load(directory))


@contextmanager
def _connection(url: str) -> Iterator[psycopg.Connection[TupleRow]]:
    try:
        with psycopg.connect(
            url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S, application_name="payflow migrate"
        ) as connection:
            yield connection
    except psycopg.Error as error:
        raise MigrationError(f"the database refused: {str(error).strip()}") from error


@contextmanager
def _turn(owner_url: str) -> Iterator[psycopg.Connection[TupleRow]]:
    """A connection whose session holds the migration lock; closing it gives the lock back."""
    with _connection(owner_url) as connection:
        connection.execute(SET_LOCK_TIMEOUT, [f"{TURN_TIMEOUT_S}s"])
        try:
            connection.execute(TAKE_TURN, [LOCK_KEY])
        except psycopg.errors.LockNotAvailable as error:
            raise MigrationError(f"another migration has been running for {TURN_TIMEOUT_S} s") from error
        # A table lock that is waited for holds up everybody who comes after, so that wait is short.
        connection.execute(SET_LOCK_TIMEOUT, [f"{TABLE_LOCK_TIMEOUT_S}s"])
        yield connection


def _checked_target(migrations: Sequence[Migration], to: int | None, default: int) -> int:
    if to is None:
        return default
    if not 0 <= to <= len(migrations):
        raise MigrationError(f"there is no version {to}: versions go from 0 to {len(migrations)}")
    return to


def _checked_history(
    connection: psycopg.Connection[TupleRow], migrations: Sequence[Migration]
) -> list[_Applied]:
    """What the database says was applied: exactly the first of ``migrations``, with the same contents."""
    if connection.execute(TABLE_EXISTS).fetchone() == (False,):
        return []
    applied = [_Applied(*row) for row in connection.execute(SELECT_APPLIED)]
    for position, row in enumerate(applied):
        label = f"{row.version:04}_{row.name}"
        if row.version > len(migrations):
            raise MigrationError(f"the database has migration {label}, which this release does not know")
        if row.version != position + 1:
            raise MigrationError(f"the database has migration {label} without {position + 1:04} before it")
        expected = migrations[position]
        if (row.name, row.checksum) != (expected.name, expected.checksum):
            raise MigrationError(
                f"{expected.up_file} was edited after it was applied as {label}: "
                "restore it, and put the change into a new migration"
            )
    return applied


def _apply(connection: psycopg.Connection[TupleRow], migration: Migration) -> None:
    with _failure_named(migration.up_file), connection.transaction():
        connection.execute(migration.up_sql)
        connection.execute(INSERT_APPLIED, [migration.version, migration.name, migration.checksum])


def _revert(connection: psycopg.Connection[TupleRow], migration: Migration) -> None:
    with _failure_named(migration.down_file), connection.transaction():
        connection.execute(migration.down_sql)
        connection.execute(DELETE_APPLIED, [migration.version])


@contextmanager
def _failure_named(file: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise MigrationError(f"{file} failed: {str(error).strip()}") from error
