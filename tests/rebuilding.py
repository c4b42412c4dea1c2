"""Compares a database with what its events alone make of an empty one, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from payflow.store.rows import to_json
from tests.replay import Replay

KEY_COLUMNS = {
    "merchants": "merchant_id",
    "psp_accounts": "merchant_id, id",
    "payment_intents": "merchant_id, id",
    "refunds": "merchant_id, id",
    "psp_attempts": "merchant_id, payment_intent_id, id",
    "routing_rules": "merchant_id, version",
    "routing_experiments": "merchant_id, id",
    "transactions": "merchant_id, id",
    "entries": "merchant_id, account_id, account_version",
    "accounts": "merchant_id, id",
    "balances": "merchant_id, account_id",
}


def replayed(url: str) -> Replay:
    """What the events of a database come to."""
    replay = Replay()
    with psycopg.connect(url) as connection:
        replay.apply_all(connection)
    return replay


def assert_rebuilt(url: str, empty_url: str, replay: Replay) -> None:
    """Writes the replay into an empty database, which is the same as the first one then."""
    _write(empty_url, replay)
    expected, found = _copied(url), _copied(empty_url)
    for table, content in expected.items():
        assert found[table] == content, table


def _copied(url: str) -> dict[str, bytes]:
    """Every table as PostgreSQL's binary COPY writes it, in the order of its key."""
    with psycopg.connect(url) as connection:
        return {table: b"".join(_copy(connection, table, key)) for table, key in KEY_COLUMNS.items()}


def _copy(connection: psycopg.Connection[tuple[object, ...]], table: str, key: str) -> Iterator[bytes]:
    query = f"COPY (SELECT * FROM {table} ORDER BY {key}) TO STDOUT (FORMAT binary)"
    with connection.cursor().copy(query.encode()) as copy:
        yield from map(bytes, copy)


def _write(url: str, replay: Replay) -> None:
    """Into empty tables, with every trigger off: nothing but the replay computes what is compared."""
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")
        for table, content in replay.tables().items():
            query = f"INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, %s)"
            connection.execute(query.encode(), [to_json(content)])
