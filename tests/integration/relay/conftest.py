from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import redis

from tests.databases import Database
from tests.relays import Stand, stream_stand
from tests.services import PostgresServer
from tests.waiting import WAIT_S


@pytest.fixture(scope="module", autouse=True)
def no_analysis(postgres: PostgresServer) -> Iterator[None]:
    """What is committed can be read at once."""
    with postgres.without_analysis():
        yield


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases end, and Redis is given up, where a test says so, and on no machine before that."""
    monkeypatch.setattr("server.worker.relay.LEASE", timedelta(seconds=WAIT_S))
    monkeypatch.setattr("payflow.events.relay.redis_publisher.TIMEOUT_S", WAIT_S)


@pytest.fixture
def stream(new_database: Callable[[], Database], valkey_url: str) -> Iterator[tuple[Stand, redis.Redis]]:
    """A stand whose relays publish to a Redis stream, and a client of that Redis."""
    with stream_stand(new_database(), valkey_url) as made:
        yield made
