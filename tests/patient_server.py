"""``payflow serve``, but it waits for Redis as long as it takes: a busy machine makes no misses."""

from __future__ import annotations

import os
import sys

from payflow.store.redis import optional_redis
from server.config import Settings
from server.rpc.process import serve
from server.wiring import build_application
from tests.waiting import WAIT_S

if __name__ == "__main__":
    optional_redis.TIMEOUT_S = WAIT_S
    sys.exit(serve(Settings.from_environment(os.environ), build_application))
