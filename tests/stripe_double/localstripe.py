"""localstripe, a stateful Stripe, as the process of its own that it is."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager

from tests.ports import free_port
from tests.stripe_double.process import running

# It would write everything it knows to /tmp on each change, and listen on IPv6, which not every machine has.
_PROGRAM = """
import sys
from aiohttp import web
from localstripe import resources, server
resources.Store.dump_to_disk = lambda self: None
web.run_app(server.app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
"""


def running_localstripe() -> AbstractContextManager[str]:
    """Runs it with nothing in it; gives its URL."""
    port = free_port()
    return running([sys.executable, "-c", _PROGRAM, str(port)], port)
