"""Compares a database with what its events alone make of empty tables, byte for byte."""

from __future__ import annotations

from payflow.events.replay.replay import rebuild
from payflow.store.replay.fresh_tables import KEYS, Difference, FreshTables

SHOWN_MAX = 10


def differences(url: str) -> list[Difference]:
    """The first of each table."""
    tables = FreshTables(url)
    try:
        rebuild(tables)
        return [one for table in KEYS for one in tables.differences(table, SHOWN_MAX)]
    finally:
        tables.close()
