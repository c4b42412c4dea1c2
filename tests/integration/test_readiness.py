"""When a process may take payments: the schema is there, and the database is safe for its merchants."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from payflow.store.database.pool import PoolLimits
from payflow.store.database.read_pool import ReadPool
from payflow.store.schema import migrate, readiness
from server.config import Settings
from server.wiring import PayFlowApplication, build_application
from tests.databases import Database
from tests.ports import free_port
from tests.services import PostgresServer
from tests.waiting import WAIT_S

OWNER_WARNING = "serving as the owner of the tables: nothing keeps the application from changing them"
FSYNC_WARNING = "fsync is off: a crash of the machine loses payments"
COMMIT_WARNING = "synchronous_commit is off: a crash loses acknowledged payments"

LIVE_MERCHANT = "INSERT INTO merchants VALUES ('real', 1, 1, '', 'LIVE', 1, now(), now())"
TEST_MERCHANT = "INSERT INTO merchants VALUES ('test', 1, 2, '', 'TEST', 1, now(), now())"


def _soon() -> float:
    return time.monotonic() + WAIT_S


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


@pytest.fixture
def database(new_database: Callable[[], Database]) -> Database:
    """A database of the test's own, because tests change its schema."""
    return new_database()


@pytest.fixture
def pool_on() -> Iterator[Callable[[str], ReadPool]]:
    """Opens pools that are closed at the end."""
    opened: list[ReadPool] = []

    def open_pool(url: str) -> ReadPool:
        pool = ReadPool(url, PoolLimits(connections_max=1))
        pool.open()
        opened.append(pool)
        return pool

    yield open_pool
    for pool in opened:
        pool.close()


@pytest.fixture
def application_on() -> Iterator[Callable[[str], PayFlowApplication]]:
    """Starts applications that are closed at the end."""
    started: list[PayFlowApplication] = []

    def start(url: str) -> PayFlowApplication:
        simulator = f"http://127.0.0.1:{free_port()}"
        application = build_application(
            Settings(database_url=url, db_max_idle_conns=1, environment={"SIMULATOR_URL": simulator})
        )
        started.append(application)
        return application

    yield start
    for application in started:
        application.close()


def test_a_database_without_a_schema_is_not_ready(
    postgres: PostgresServer,
    pool_on: Callable[[str], ReadPool],
    application_on: Callable[[str], PayFlowApplication],
) -> None:
    _execute(postgres.url(), "CREATE DATABASE without_schema")
    url = postgres.url("without_schema")
    assert not readiness.has_schema(pool_on(url), _soon())
    assert not application_on(url).ready()


def test_an_older_schema_is_not_ready_until_it_is_migrated(
    database: Database,
    pool_on: Callable[[str], ReadPool],
    application_on: Callable[[str], PayFlowApplication],
) -> None:
    migrate.down(database.owner_url, migrate.expected_version() - 1)
    application = application_on(database.application_url)
    pool = pool_on(database.application_url)
    assert not readiness.has_schema(pool, _soon())
    assert not application.ready()
    migrate.up(database.owner_url, database.application_url)
    assert readiness.has_schema(pool, _soon())
    assert application.ready()


def test_a_newer_schema_serves_this_release_too(
    database: Database, application_on: Callable[[str], PayFlowApplication]
) -> None:
    newer = migrate.expected_version() + 1
    _execute(database.owner_url, f"INSERT INTO schema_migrations VALUES ({newer}, 'newer', '', now())")
    assert application_on(database.application_url).ready()


def test_the_application_on_a_durable_database_is_safe(
    database: Database, pool_on: Callable[[str], ReadPool]
) -> None:
    found = readiness.safety(pool_on(database.application_url), _soon())
    assert found == readiness.Safety((), live=False)
    _execute(database.owner_url, LIVE_MERCHANT)
    found = readiness.safety(pool_on(database.application_url), _soon())
    assert found == readiness.Safety((), live=True)


def test_serving_as_the_owner_is_warned_of(database: Database, pool_on: Callable[[str], ReadPool]) -> None:
    assert readiness.safety(pool_on(database.owner_url), _soon()).warnings == (OWNER_WARNING,)


def test_serving_as_a_member_of_the_owner_is_warned_of(
    database: Database, pool_on: Callable[[str], ReadPool]
) -> None:
    role = psycopg.conninfo.conninfo_to_dict(database.owner_url)["dbname"]
    _execute(database.owner_url, f"CREATE ROLE {role}_deputy LOGIN SUPERUSER")
    url = database.owner_url.replace("postgres@", f"{role}_deputy@")
    assert readiness.safety(pool_on(url), _soon()).warnings == (OWNER_WARNING,)


def test_asynchronous_commit_is_warned_of(database: Database, pool_on: Callable[[str], ReadPool]) -> None:
    url = f"{database.application_url}&options=-csynchronous_commit%3Doff"
    assert readiness.safety(pool_on(url), _soon()).warnings == (COMMIT_WARNING,)


def test_fsync_off_is_warned_of(
    database: Database, pool_on: Callable[[str], ReadPool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's own setting stays on; only what is read of it is turned round."""
    one = ReadPool.one

    def without_fsync(pool: ReadPool, *query: Any) -> dict[str, Any] | None:
        row = one(pool, *query)
        assert row is not None and row["fsync"] is True
        return row | {"fsync": False}

    monkeypatch.setattr(ReadPool, "one", without_fsync)
    assert readiness.safety(pool_on(database.application_url), _soon()).warnings == (FSYNC_WARNING,)


def test_unsafe_is_warned_of_in_test_mode_and_not_ready_for_a_live_merchant(
    database: Database,
    application_on: Callable[[str], PayFlowApplication],
    caplog: pytest.LogCaptureFixture,
) -> None:
    _execute(database.owner_url, TEST_MERCHANT)
    unsafe, safe = application_on(database.owner_url), application_on(database.application_url)
    with caplog.at_level(logging.WARNING, "server.wiring"):
        assert unsafe.ready() and unsafe.ready() and safe.ready()
    assert caplog.messages.count(OWNER_WARNING) == 1
    _execute(database.owner_url, LIVE_MERCHANT)
    assert not unsafe.ready()
    assert not application_on(database.owner_url).ready()
    assert safe.ready()
