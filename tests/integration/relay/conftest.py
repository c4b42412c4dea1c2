from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis

from tests.databases import Database
from tests.relays import Stand, stream_stand


@pytest.fixture
def stream(new_database: Callable[[], Database], valkey_url: str) -> Iterator[tuple[Stand, redis.Redis]]:
    """A stand whose relays publish to a Redis stream, and a client of that Redis."""
    with stream_stand(new_database(), valkey_url) as made:
        yield made
