"""Seals as fast as it can, in small blocks, until it is killed; says so when it begins.

`python -m tests.sealing_process` with DATABASE_URL and LEDGER_SIGNING_KEY.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

from payflow.domain.proof.keys import SigningKey
from payflow.store.proof.sealing import Sealer

PAUSE_S = 0.01
BATCH_EVENTS = 2


def main() -> None:
    key = SigningKey(Path(os.environ["LEDGER_SIGNING_KEY"]).read_bytes())
    sealer = Sealer(os.environ["DATABASE_URL"], key, lambda: datetime.now(UTC), BATCH_EVENTS)
    sealer.step()
    print("sealing", flush=True)
    while True:
        if sealer.step() is None:
            time.sleep(PAUSE_S)


if __name__ == "__main__":
    main()
