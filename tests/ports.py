"""Ports for the servers under test."""

from __future__ import annotations

import os
import socket
from itertools import cycle, islice

# Below the ports that systems give to outgoing connections and to whoever asks for port 0: those come and go
# all the time, and one that was free a moment ago may be taken by the time that a server has started.
FIRST, LAST = 18_000, 30_000

# Processes that share the tests of a run (pytest-xdist names them gw0, gw1, ...) take turns at the numbers.
_processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_own = range(FIRST + _process, LAST, _processes)
_numbers = islice(cycle(_own), os.getpid() * 97 % len(_own), None)


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on, never the same twice in a run."""
    return next(number for number in islice(_numbers, len(_own)) if _is_free(number))


def _is_free(number: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return False
        return True
