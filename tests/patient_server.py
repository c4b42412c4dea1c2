"""``payflow serve``, but it waits for its databases as long as it takes: a busy machine makes no misses."""

from __future__ import annotations

import sys
from typing import Final

from server.cli.process_settings import process_settings
from server.rpc.process import serve
from server.wiring import build_application
from tests.patience import WITH_POSTGRES, WITH_REDIS, be_patient

PATIENT: Final = ("-m", "tests.patient_server", "postgres", "redis")
PATIENT_WITH_POSTGRES: Final = PATIENT[:-1]

if __name__ == "__main__":
    for name, values in (("postgres", WITH_POSTGRES), ("redis", WITH_REDIS)):
        if name in sys.argv:
            be_patient(values)
    sys.exit(serve(process_settings(), build_application))
