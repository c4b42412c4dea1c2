from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

from payflow.store.schema import migrate
from tests.databases import Database, make_copy
from tests.patience import be_patient
from tests.ports import free_port
from tests.services import PostgresServer, embedded_postgres, running_postgres
from tests.tansu import running_tansu
from tests.valkey import running_valkey

# The same examples on every machine, however long it takes over them.
settings.register_profile(
    "payflow", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("payflow")
# Or it draws, now and then, a constant of some module of ours: of those that happen to be loaded by then.
pytest.MonkeyPatch().setattr(providers, "_get_local_constants", lambda: providers._local_constants)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """PostgreSQL 18 for the whole run."""
    with running_postgres(embedded_postgres()) as server:
        yield server


@pytest.fixture(scope="session")
def new_database(postgres: PostgresServer) -> Callable[[], Database]:
    """Makes a migrated, empty database on every call, by copying one that was migrated once."""
    template = Database.on(postgres, "payflow_template")
    numbers = count(1)
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE payflow_template")
    migrate.up(template.owner_url, template.application_url)

    def make() -> Database:
        name = f"payflow_{next(numbers)}"
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            make_copy(connection, "payflow_template", name)
        return Database.on(postgres, name)

    return make


@pytest.fixture(scope="module")
def database(new_database: Callable[[], Database]) -> Database:
    """A migrated database of the test module's own."""
    return new_database()


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """A Valkey for the whole run, as a redis:// URL."""
    with running_valkey() as server:
        yield server.connection_url


@pytest.fixture(scope="session")
def kafka_brokers() -> Iterator[str]:
    """A Kafka-compatible broker for the whole run, as KAFKA_BROKERS; a test has topics of its own."""
    with running_tansu(free_port()) as addresses:
        yield addresses


def pytest_configure() -> None:
    be_patient()
