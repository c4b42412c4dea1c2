"""Ports for the servers under test."""

from __future__ import annotations

import os
import socket
from itertools import cycle, islice

# Below the ports that systems give to outgoing connections and to whoever asks for port 0: those come and go
# all the time, and one that was free a moment ago may be taken by the time that a server has started.
FIRST, LAST = 18_000, 30_000
SPAN = LAST - FIRST

_numbers = islice(cycle(range(FIRST, LAST)), os.getpid() * 97 % SPAN, None)


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on, never the same twice in a run."""
    return next(number for number in islice(_numbers, SPAN) if _is_free(number))


def _is_free(number: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return False
        return True
