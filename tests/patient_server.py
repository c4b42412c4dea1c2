"""``payflow serve``, but it waits for PostgreSQL as long as it takes, and for Redis if it is told so."""

from __future__ import annotations

import sys
from typing import Final

from payflow.store.redis import optional_redis
from server.cli.process_settings import process_settings
from server.rpc.process import serve
from server.wiring import build_application
from tests.patience import be_patient
from tests.waiting import WAIT_S

PATIENT_WITH_POSTGRES: Final = ("-m", "tests.patient_server")
PATIENT: Final = (*PATIENT_WITH_POSTGRES, "redis")

if __name__ == "__main__":
    be_patient()
    if "redis" in sys.argv:
        optional_redis.TIMEOUT_S = WAIT_S
    sys.exit(serve(process_settings(), build_application))
