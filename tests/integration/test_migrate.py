from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from payflow.store.schema import application_role, migrate
from payflow.store.schema.migration_files import MigrationError
from tests.databases import Database
from tests.services import DEBIAN_POSTGRES_15, PostgresServer, running_postgres
from tests.waiting import WAIT_S

_numbers = count(1)


@pytest.fixture(scope="session")
def postgres_15() -> Iterator[PostgresServer]:
    if not DEBIAN_POSTGRES_15.exists():
        pytest.skip("PostgreSQL 15 of Debian is not installed")
    with running_postgres(DEBIAN_POSTGRES_15) as server:
        yield server


@pytest.fixture(params=["postgres", "postgres_15"])
def server(request: pytest.FixtureRequest) -> PostgresServer:
    running: PostgresServer = request.getfixturevalue(request.param)
    return running


@pytest.fixture
def empty(server: PostgresServer) -> Database:
    """A database without a schema, and an application user that does not exist yet."""
    number = next(_numbers)
    _execute(server.url(), f"CREATE DATABASE unmigrated_{number}")
    return Database(
        server.url(f"unmigrated_{number}"),
        server.url(f"unmigrated_{number}", f"application_{number}", "it's secret"),
    )


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for number, table in enumerate(["first", "second", "third"], start=1):
        _write(tmp_path, number, table)
    return tmp_path


def _write(directory: Path, number: int, table: str, up_more: str = "") -> None:
    (directory / f"{number:04}_{table}.up.sql").write_text(
        f"CREATE TABLE {table} (id integer);\nGRANT SELECT ON {table} TO payflow_application;\n{up_more}"
    )
    (directory / f"{number:04}_{table}.down.sql").write_text(f"DROP TABLE {table};\n")


def _execute(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def _tables(database: Database) -> set[str]:
    rows = _execute(database.owner_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {name for (name,) in rows} - {"schema_migrations"}


def _up(database: Database, directory: Path, to: int | None = None) -> list[int]:
    applied = migrate.up(database.owner_url, database.application_url, to, directory)
    return [migration.version for migration in applied]


def test_up_down_and_status_agree_with_the_tables(empty: Database, directory: Path) -> None:
    assert _up(empty, directory, to=2) == [1, 2]
    assert _tables(empty) == {"first", "second"}
    statuses = migrate.status(empty.owner_url, directory)
    assert [(each.version, each.name, each.applied_at is not None) for each in statuses] == [
        (1, "first", True),
        (2, "second", True),
        (3, "third", False),
    ]
    assert _up(empty, directory) == [3]
    assert _up(empty, directory) == []
    reverted = migrate.down(empty.owner_url, 1, directory)
    assert [migration.version for migration in reverted] == [3, 2]
    assert _tables(empty) == {"first"}
    assert _up(empty, directory) == [2, 3]
    assert len(migrate.down(empty.owner_url, 0, directory)) == 3
    assert _tables(empty) == set()


def test_status_of_an_empty_database_is_all_pending(empty: Database, directory: Path) -> None:
    assert [each.applied_at for each in migrate.status(empty.owner_url, directory)] == [None] * 3
    assert _execute(empty.owner_url, "SELECT to_regclass('schema_migrations')") == [(None,)]


def test_the_application_can_tell_the_version(empty: Database, directory: Path) -> None:
    _up(empty, directory, to=2)
    told = _execute(empty.application_url, "SELECT max(version) FROM schema_migrations")
    assert told == [(2,)]
    assert migrate.expected_version(directory) == 3


def test_a_failing_migration_leaves_nothing_and_keeps_the_ones_before(
    empty: Database, directory: Path
) -> None:
    _write(directory, 2, "second", up_more="SELECT 1 / 0;")
    with pytest.raises(MigrationError, match=r"0002_second\.up\.sql failed: division by zero"):
        _up(empty, directory)
    assert _tables(empty) == {"first"}
    _write(directory, 2, "second")
    assert _up(empty, directory) == [2, 3]


def test_many_at_once_apply_every_migration_once(empty: Database, directory: Path) -> None:
    _write(directory, 1, "first", up_more="SELECT pg_sleep(0.3);")
    starters = 6
    barrier = threading.Barrier(starters)

    def start() -> list[int]:
        barrier.wait(WAIT_S)
        return _up(empty, directory)

    with ThreadPoolExecutor(starters) as pool:
        runs = [future.result(WAIT_S) for future in [pool.submit(start) for _ in range(starters)]]
    assert sorted(runs) == [[]] * (starters - 1) + [[1, 2, 3]]


def test_databases_of_one_cluster_migrate_at_once_with_a_shared_user(
    server: PostgresServer, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = next(_numbers)
    monkeypatch.setattr(application_role, "APPLICATION_ROLE", f"shared_role_{number}")
    names = [f"neighbour_{number}_{letter}" for letter in "abcdef"]
    for name in names:
        _execute(server.url(), f"CREATE DATABASE {name}")
    _ensure_role_exists(server)
    barrier = threading.Barrier(len(names))

    def start(name: str) -> None:
        barrier.wait(WAIT_S)
        migrate.up(server.url(name), server.url(name, f"shared_{number}", "pw"), directory=directory)

    with ThreadPoolExecutor(len(names)) as pool:
        for future in [pool.submit(start, name) for name in names]:
            future.result(WAIT_S)
    assert _execute(
        server.url(), f"SELECT pg_has_role('shared_{number}', 'shared_role_{number}', 'USAGE')"
    ) == [(True,)]


def _ensure_role_exists(server: PostgresServer) -> None:
    """For tests that give the runner another role: the migrations' own GRANTs still name this one."""
    if not _execute(server.url(), "SELECT 1 FROM pg_roles WHERE rolname = 'payflow_application'"):
        _execute(server.url(), "CREATE ROLE payflow_application NOLOGIN")


def test_waiting_for_another_migration_is_bounded(
    empty: Database, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(empty.owner_url, autocommit=True) as other, monkeypatch.context() as impatient:
        impatient.setattr(migrate, "TURN_TIMEOUT_S", 1)
        other.execute(migrate.TAKE_TURN, [migrate.LOCK_KEY])
        with pytest.raises(MigrationError, match="another migration has been running for 1 s"):
            _up(empty, directory)
    # Patient again: the other one's session may take its time to end.
    assert _up(empty, directory) == [1, 2, 3]


def test_an_edited_migration_is_refused_by_name(empty: Database, directory: Path) -> None:
    _up(empty, directory, to=2)
    _write(directory, 2, "second", up_more="-- harmless\n")
    with pytest.raises(MigrationError, match=r"0002_second\.up\.sql was edited"):
        _up(empty, directory)
    with pytest.raises(MigrationError, match=r"0002_second\.up\.sql was edited"):
        migrate.down(empty.owner_url, 0, directory)
    assert _tables(empty) == {"first", "second"}


def test_a_database_newer_than_the_release_is_refused(empty: Database, directory: Path) -> None:
    _up(empty, directory)
    (directory / "0003_third.up.sql").unlink()
    (directory / "0003_third.down.sql").unlink()
    with pytest.raises(MigrationError, match="0003_third, which this release does not know"):
        _up(empty, directory)


def test_a_hole_in_the_history_is_refused(empty: Database, directory: Path) -> None:
    _up(empty, directory)
    _execute(empty.owner_url, "DELETE FROM schema_migrations WHERE version = 2")
    with pytest.raises(MigrationError, match="0003_third without 0002 before it"):
        _up(empty, directory)


@pytest.mark.parametrize("to", [-1, 4])
def test_an_unknown_target_is_refused(empty: Database, directory: Path, to: int) -> None:
    with pytest.raises(MigrationError, match="versions go from 0 to 3"):
        _up(empty, directory, to)


def test_the_application_user_is_made_with_its_password_and_least_rights(
    empty: Database, directory: Path
) -> None:
    _up(empty, directory)
    with psycopg.connect(empty.application_url, autocommit=True) as application:
        user = application.info.user
        assert application.execute("SELECT count(*) FROM first").fetchone() == (0,)
        for statement in ("INSERT INTO first VALUES (1)", "DELETE FROM schema_migrations"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                application.execute(statement)
    verifier = _execute(empty.owner_url, f"SELECT rolpassword FROM pg_authid WHERE rolname = '{user}'")
    assert verifier[0][0].startswith("SCRAM-SHA-256$")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(empty.application_url, password="wrong")


def test_a_user_that_exists_keeps_its_password(empty: Database, directory: Path) -> None:
    user = psycopg.conninfo.conninfo_to_dict(empty.application_url)["user"]
    _execute(empty.owner_url, f"CREATE ROLE {user} LOGIN PASSWORD 'another'")
    _up(empty, directory)
    with psycopg.connect(empty.application_url, password="another") as application:
        assert application.execute("SELECT count(*) FROM first").fetchone() == (0,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(empty.application_url)


def test_one_user_may_be_owner_and_application(empty: Database, directory: Path) -> None:
    assert len(migrate.up(empty.owner_url, empty.owner_url, directory=directory)) == 3


def test_an_owner_who_may_not_create_roles_is_told_what_an_administrator_has_to_run(
    server: PostgresServer, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = next(_numbers)
    role: LiteralString = "limited_role"
    monkeypatch.setattr(application_role, "APPLICATION_ROLE", role)
    _ensure_role_exists(server)
    owner, name = f"limited_owner_{number}", f"limited_{number}"
    _execute(server.url(), f"CREATE ROLE {owner} LOGIN")
    _execute(server.url(), f"CREATE DATABASE {name} OWNER {owner}")
    application_url = server.url(name, f"limited app {number}", "hunter2")

    with pytest.raises(MigrationError) as refused:
        migrate.up(server.url(name, owner), application_url, directory=directory)

    message = str(refused.value)
    assert "hunter2" not in message
    statements = [line.strip() for line in message.splitlines() if line.endswith(";")]
    assert statements == [
        f'CREATE ROLE "{role}" NOLOGIN;',
        f"CREATE ROLE \"limited app {number}\" LOGIN PASSWORD '<the password in DATABASE_URL>';",
        f'GRANT "{role}" TO "limited app {number}";',
    ]
    for statement in statements:
        _execute(server.url(), statement)
    assert len(migrate.up(server.url(name, owner), application_url, directory=directory)) == 3
    _execute(server.url(), f"DROP ROLE {role}")


@pytest.mark.parametrize(
    ("added", "removed", "complaint"),
    [
        ("0005_fifth.up.sql", None, r"0005_fifth\.up\.sql should be number 0004"),
        ("0003_again.up.sql", None, r"0003_third\.up\.sql should be number 0004"),
        (None, "0002_second.down.sql", r"0002_second\.up\.sql has no 0002_second\.down\.sql"),
        (None, "0003_third.up.sql", r"0003_third\.down\.sql has no \.up\.sql"),
        ("4_fourth.sql", None, r"4_fourth\.sql is not named like"),
    ],
)
def test_files_that_do_not_fit_together_are_refused_by_name(
    directory: Path, added: str | None, removed: str | None, complaint: str
) -> None:
    if added:
        (directory / added).write_text("SELECT 1;")
        (directory / added.replace(".up.", ".down.")).write_text("SELECT 1;")
    if removed:
        (directory / removed).unlink()
    with pytest.raises(MigrationError, match=complaint):
        migrate.expected_version(directory)


def test_a_database_that_refuses_is_reported_without_the_password(directory: Path, tmp_path: Path) -> None:
    url = f"postgresql://somebody:hunter2@/payflow?host={tmp_path}"
    with pytest.raises(MigrationError, match="the database refused") as refused:
        migrate.up(url, url, directory=directory)
    assert "hunter2" not in str(refused.value)


def test_migrations_of_this_release_go_up_down_and_up_again(empty: Database) -> None:
    applied = migrate.up(empty.owner_url, empty.application_url)
    assert len(applied) == migrate.expected_version()
    schema = _catalog(empty)
    migrate.down(empty.owner_url, 0)
    assert _tables(empty) == set()
    migrate.up(empty.owner_url, empty.application_url)
    assert _catalog(empty) == schema


def _catalog(database: Database) -> list[tuple[Any, ...]]:
    """Every relation, column, constraint, trigger and function of the schema, in a comparable form."""
    return _execute(
        database.owner_url,
        """
        SELECT 'column', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull::text
          FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL SELECT 'relation', relname, relkind::text, relacl::text, ''
          FROM pg_class WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT 'constraint', conname, pg_get_constraintdef(oid), '', ''
          FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT 'trigger', t.tgname, pg_get_triggerdef(t.oid), '', ''
          FROM pg_trigger t WHERE NOT t.tgisinternal
        UNION ALL SELECT 'function', proname, prosrc, proacl::text, ''
          FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        ORDER BY 1, 2, 3, 4, 5
        """,
    )
