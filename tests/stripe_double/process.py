"""A server of its own process that tests wait for."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.waiting import POLL_S, WAIT_S


@contextmanager
def running(command: Sequence[str], port: int) -> Iterator[str]:
    """Runs it, quietly, from when it listens on 127.0.0.1; its URL."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait_until_it_listens(process, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(WAIT_S)


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    gives_up_at = time.monotonic() + WAIT_S
    while process.poll() is None and time.monotonic() < gives_up_at:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=WAIT_S).close()
        except OSError:
            time.sleep(POLL_S)
        else:
            return
    raise RuntimeError(f"it does not listen: {process.args!r}")
