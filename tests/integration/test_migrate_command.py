"""`payflow migrate`, on a database that starts empty."""

from __future__ import annotations

import re

import psycopg
import pytest
from click.testing import CliRunner, Result

from payflow.store.schema import migrate
from server.cli.main import main
from tests.databases import Database
from tests.services import PostgresServer


@pytest.fixture
def empty(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Database:
    """What the commands are told about is a database without a schema."""
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE by_command")
    database = Database.on(postgres, "by_command")
    monkeypatch.setenv("MIGRATE_DATABASE_URL", database.owner_url)
    monkeypatch.setenv("DATABASE_URL", database.application_url)
    return database


def run(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(main, ["migrate", *arguments], input=typed)


def said(*arguments: str, typed: str = "") -> list[str]:
    """The lines of a command that works."""
    result = run(*arguments, typed=typed)
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def test_up_status_and_down(empty: Database) -> None:
    every = [f"{one.version:04} {one.name}" for one in migrate.status(empty.owner_url)]
    assert [line.split()[1] for line in said("status")] == ["pending"] * len(every)
    assert said("up", "--to", "2") == [f"applied  {name}" for name in every[:2]]
    assert said("up") == [f"applied  {name}" for name in every[2:]]
    assert said("up") == ["nothing to apply"]
    assert all(re.match(r"\d{4}  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC  ", line) for line in said("status"))

    refused = run("down", "--to", "0", typed="n\n")
    assert refused.exit_code == 1
    assert said("up") == ["nothing to apply"]
    [question, *reverted] = said("down", "--to", str(len(every) - 1), typed="y\n")
    assert question.startswith(f"Revert everything above version {len(every) - 1}?")
    assert reverted == [f"reverted  {every[-1]}"]
    assert said("down", "--to", "0", "--yes") == [f"reverted  {name}" for name in reversed(every[:-1])]
    assert said("down", "--to", "0", "--yes") == ["nothing to revert"]
