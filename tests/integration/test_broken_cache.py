"""A cache that speaks nonsense costs nothing but its speed."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest

from payflow.domain.folding.submission import IdempotencyClaim
from payflow.domain.folding.working_set import Changes, KeyRecord
from payflow.store.redis.optional_redis import OptionalRedis
from payflow.store.redis.response_cache import ResponseCache
from tests.waiting import WAIT_S

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLAIM = IdempotencyClaim("key", b"h" * 32)


@contextmanager
def speaking(nonsense: bytes) -> Iterator[str]:
    """The URL of a listener that answers everything with the same bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer(connection: socket.socket) -> None:
            # Who asked may have gone meanwhile.
            with connection, suppress(OSError):
                while connection.recv(65536):
                    connection.sendall(nonsense)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join(WAIT_S)


@pytest.fixture
def no_finalizers() -> Iterator[None]:
    """Nobody's finalizer runs, and fails, where the parser recurses as deep as it can."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_finalizers")
@pytest.mark.parametrize(
    "nonsense",
    [b"$abc\r\n", b"*x\r\n", b":zz\r\n", b",zz\r\n", b"+OK\r\n", b"*1\r\n" * 3_000, b"HTTP/1.1 200\r\n"],
)
def test_nonsense_is_a_miss_and_the_copier_goes_on(nonsense: bytes) -> None:
    with speaking(nonsense) as url:
        redis = OptionalRedis(url, 2)
        cache = ResponseCache(redis, b"s" * 32, timedelta(hours=1))
        record = KeyRecord(CLAIM.request_hash, "command", "attempt", b"answer", NOW)
        for _ in range(3):
            cache.remember(Changes(keys={("merchant", "key"): record}))
            redis._rests_until = 0.0
            assert cache.response("merchant", CLAIM, NOW) is None
        assert cache._thread.is_alive()
        cache.close()
        cache._thread.join(WAIT_S)
        assert not cache._thread.is_alive()
        redis.close()
