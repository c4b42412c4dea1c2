from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from payflow.events.proof import published_heads
from payflow.events.relay import kafka_publisher, redis_publisher
from tests.databases import Database
from tests.sealed_books import book_at_random
from tests.services import PostgresServer
from tests.waiting import WAIT_S

MERCHANTS = ("keeping", "paying")
STEPS = 20


@pytest.fixture(scope="module", autouse=True)
def no_analysis(postgres: PostgresServer) -> Iterator[None]:
    """What is committed can be sealed at once."""
    with postgres.without_analysis():
        yield


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brokers that take their time are waited for; the loops of a worker would ask them again."""
    for waiting in (kafka_publisher, redis_publisher, published_heads):
        monkeypatch.setattr(waiting, "TIMEOUT_S", WAIT_S)


@pytest.fixture(scope="session")
def booked(new_database: Callable[[], Database]) -> Database:
    """A ledger that is not sealed; tests work on copies."""
    made = new_database()
    book_at_random(made, MERCHANTS, STEPS)
    return made
