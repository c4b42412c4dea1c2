"""localstripe, a stateful Stripe, as the process of its own that it is."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.ports import free_port
from tests.waiting import WAIT_S

# It would write everything it knows to /tmp on each change, and listen on IPv6, which not every machine has.
_PROGRAM = """
import sys
from aiohttp import web
from localstripe import resources, server
resources.Store.dump_to_disk = lambda self: None
web.run_app(server.app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
"""


@contextmanager
def running_localstripe() -> Iterator[str]:
    """Runs it with nothing in it; gives its URL."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", _PROGRAM, str(port)])
    try:
        _wait_until_ready(process, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(WAIT_S)


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    gives_up_at = time.monotonic() + WAIT_S
    while process.poll() is None and time.monotonic() < gives_up_at:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=WAIT_S).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError("localstripe did not start")
