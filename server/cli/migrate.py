"""`payflow migrate`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import click

from payflow.store.schema import migrate
from payflow.store.schema.migration_files import MigrationError
from server.cli.commands import database_refusal
from server.config import Settings, required_database_url

T = TypeVar("T")


@click.group("migrate")
def command() -> None:
    """Bring the database's schema up or down, or say where it stands.

    Works as the owner, MIGRATE_DATABASE_URL, and gives the user of DATABASE_URL the application's
    rights. Two may start at once: the second waits.

    \b
    Examples:
      payflow migrate status
      MIGRATE_DATABASE_URL=postgresql://owner@localhost/payflow payflow migrate up
      payflow migrate down --to 1
    """


@command.command()
@click.option("--to", type=click.IntRange(0), help="Stop at this version.  [default: the newest]")
def up(to: int | None) -> None:
    """Apply what is pending."""
    application_url = required_database_url(_settings())
    applied = _asked(lambda owner_url: migrate.up(owner_url, application_url, to))
    for migration in applied:
        click.echo(f"applied  {migration.version:04} {migration.name}")
    if not applied:
        click.echo("nothing to apply")


@command.command()
@click.option("--to", type=click.IntRange(0), required=True, help="The version to go back to; 0 is empty.")
@click.option("--yes", is_flag=True, help="Do not ask first.")
def down(to: int, yes: bool) -> None:
    """Revert every migration above a version, and lose the data that only they have a place for."""
    if not yes:
        click.confirm(f"Revert everything above version {to}? Data is lost", abort=True)
    reverted = _asked(lambda owner_url: migrate.down(owner_url, to))
    for migration in reverted:
        click.echo(f"reverted  {migration.version:04} {migration.name}")
    if not reverted:
        click.echo("nothing to revert")


@command.command()
def status() -> None:
    """List every migration and when it was applied."""
    for migration in _asked(migrate.status):
        when = "pending" if migration.applied_at is None else f"{migration.applied_at:%Y-%m-%d %H:%M:%S} UTC"
        click.echo(f"{migration.version:04}  {when:<23}  {migration.name}")


def _settings() -> Settings:
    return Settings.from_environment(os.environ)


def _asked(question: Callable[[str], T]) -> T:
    """The answer of the owner's database; a refusal names the database."""
    settings = _settings()
    owner_url = settings.migrate_database_url or required_database_url(settings)
    try:
        return question(owner_url)
    except MigrationError as error:
        raise database_refusal(owner_url, error) from error
