"""`payflow replay`."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import click

from payflow.events.replay.rebuilding import RebuildingError
from payflow.events.replay.replay import rebuild
from payflow.store.replay.fresh_tables import KEYS, Difference, FreshTables
from server.cli.amounts import major_units
from server.cli.output import print_table
from server.cli.process_settings import process_settings
from server.config import required_database_url

SHOWN_MAX = 20
BOOKS = ("MERCHANT", "ACCOUNT", "CURRENCY", "POSTED", "PENDING DEBITS", "PENDING CREDITS")
NUMBERS = frozenset({"POSTED", "PENDING DEBITS", "PENDING CREDITS"})
INSTANTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ"]


@click.command("replay")
@click.option("--to", "until", type=click.DateTime(INSTANTS), help="Show the books as they were, in UTC.")
def command(until: datetime | None) -> None:
    """Rebuild every projection and balance from the events alone, and compare them with what is stored.

    Reads DATABASE_URL as of one instant and writes temporary tables only, so it may run beside everything
    else. Ends with 1 where a row is not, byte for byte, what the events make of it, and names the row. With
    --to nothing is compared: it prints the books as they were at that instant.

    \b
    Examples:
      payflow replay
      payflow replay --to 2026-11-01T12:00:00Z
    """
    tables = FreshTables(required_database_url(process_settings()), until and until.replace(tzinfo=UTC))
    try:
        _rebuild(tables)
        if until is not None:
            _show_books(tables.books())
        elif not _is_the_same(tables):
            raise click.exceptions.Exit(1)
    finally:
        tables.close()


def _rebuild(tables: FreshTables) -> None:
    events = tables.count()
    started = time.monotonic()
    try:
        with click.progressbar(tables.events(), events, "replaying", width=40) as progress:
            rebuild(tables, progress)
    except RebuildingError as error:
        raise click.ClickException(str(error)) from error
    elapsed_s = time.monotonic() - started
    click.echo(f"{events:,} events in {elapsed_s:.1f} s, {events / max(elapsed_s, 0.001):,.0f} a second")


def _is_the_same(tables: FreshTables) -> bool:
    different = 0
    for table in KEYS:
        found = tables.differences(table, SHOWN_MAX + 1)
        different += len(found)
        click.echo(f"{table:<20} {'as the events say' if not found else 'DIFFERS'}")
        for difference in found[:SHOWN_MAX]:
            click.echo(f"  {_told(difference)}")
        if len(found) > SHOWN_MAX:
            click.echo(f"  and more than these {SHOWN_MAX}")
    return different == 0


def _told(difference: Difference) -> str:
    if difference.stored is None:
        return f"{difference.key} is missing"
    if difference.fresh is None:
        return f"{difference.key} is in no event"
    columns = (f"{name} is {stored}, by the events {fresh}" for name, stored, fresh in difference.columns)
    return f"{difference.key}: {'; '.join(columns) or 'equal, but not the same bytes'}"


def _show_books(balances: list[dict[str, Any]]) -> None:
    rows = (
        (
            row["merchant_id"],
            row["account_id"],
            row["currency"],
            *(
                major_units(row[name], row["currency"])
                for name in ("posted", "pending_debits", "pending_credits")
            ),
        )
        for row in balances
    )
    print_table(BOOKS, rows, NUMBERS)
