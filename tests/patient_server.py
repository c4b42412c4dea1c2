"""``payflow serve``, but it waits for its cache as long as it takes: a busy machine makes no misses."""

from __future__ import annotations

import os
import sys

from payflow.store import response_cache
from server.config import Settings
from server.rpc.process import serve
from server.wiring import build_application
from tests.waiting import WAIT_S

if __name__ == "__main__":
    response_cache.TIMEOUT_S = WAIT_S
    sys.exit(serve(Settings.from_environment(os.environ), build_application))
