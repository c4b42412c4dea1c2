from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from payflow.store.schema import migrate
from tests.databases import Database, drop
from tests.ledger_attempts import Books
from tests.ledger_rows import open_books
from tests.services import DEBIAN_POSTGRES_15, PostgresServer, running_postgres


@pytest.fixture(scope="session")
def postgres_15() -> Iterator[PostgresServer]:
    if not DEBIAN_POSTGRES_15.exists():
        pytest.skip("PostgreSQL 15 of Debian is not installed")
    with running_postgres(DEBIAN_POSTGRES_15) as server:
        yield server


@pytest.fixture(scope="session", params=["postgres", "postgres_15"])
def books(request: pytest.FixtureRequest) -> Iterator[Books]:
    """Books that no test changes for good."""
    server: PostgresServer = request.getfixturevalue(request.param)
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE enforcement")
        database = Database.on(server, "enforcement")
        migrate.up(database.owner_url, database.application_url)
        with (
            psycopg.connect(database.owner_url, autocommit=True) as owner,
            psycopg.connect(database.application_url, autocommit=True) as application,
        ):
            open_books(application)
            yield Books(owner, application)
        # Each process that runs some of the tests may come back here, with one server and the other in turns.
        drop(connection, "enforcement")


@pytest.fixture
def application(books: Books) -> Iterator[psycopg.Connection[Any]]:
    """A transaction of the application's that is rolled back."""
    books.application.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
    yield books.application
    books.application.execute("ROLLBACK")
