"""What the worker tells of dead letters."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from psycopg import Connection

from payflow.store.consumers.dead_letters import append, park, remove, take
from payflow.store.consumers.dead_letters_reader import DeadLettersReader
from payflow.store.database.pool import PoolLimits
from payflow.store.database.read_pool import ReadPool
from server.worker.dead_letters import DeadLetterFigures
from tests.databases import Database
from tests.dead_letters import CONSUMER, NOW, ask_for_retry, connected, given_up, key, letter


@pytest.fixture
def connection(database: Database) -> Iterator[Connection[dict[str, Any]]]:
    with connected(database.application_url) as one:
        one.autocommit = True
        yield one


@pytest.fixture
def figures(database: Database) -> Iterator[DeadLetterFigures]:
    pool = ReadPool(database.application_url, PoolLimits(connections_max=1))
    pool.open()
    yield DeadLetterFigures(DeadLettersReader(pool), lambda: NOW + timedelta(minutes=5))
    pool.close()


def _told(figures: DeadLetterFigures) -> tuple[float | None, ...]:
    """Parked aggregates, the age of the oldest, and events in all."""
    figures.measure()
    names = ("parked", "oldest_parked_seconds", "events")
    return tuple(
        REGISTRY.get_sample_value(f"payflow_dead_letters_{name}", {"consumer": CONSUMER}) for name in names
    )


def test_what_waits_is_told_until_it_is_taken(
    connection: Connection[dict[str, Any]], figures: DeadLetterFigures
) -> None:
    park(connection, CONSUMER, [given_up(letter(1)), given_up(letter(1, "pi_2"))], NOW)
    append(connection, CONSUMER, [letter(2)], NOW)
    park(connection, CONSUMER, [given_up(letter(1, "pi_3"))], NOW + timedelta(minutes=1))
    assert _told(figures) == (3, 300, 4)
    for aggregate in ("pi_1", "pi_2"):
        ask_for_retry(connection, key(1, aggregate))
        remove(connection, take(connection, CONSUMER, ("shop_1", aggregate), 9))
    assert _told(figures) == (1, 240, 1)
    connection.execute("DELETE FROM dead_letters")
    assert _told(figures) == (0, 0, 0)
