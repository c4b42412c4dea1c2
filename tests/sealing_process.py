"""Seals as fast as it can, in small blocks, until it is killed; says so behind its first block.

`python -m tests.sealing_process` with DATABASE_URL and LEDGER_SIGNING_KEY.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

from payflow.domain.proof.keys import SigningKey
from payflow.store.proof.sealing import Sealer
from tests.patience import be_patient

PAUSE_S = 0.01
BATCH_EVENTS = 2


def main() -> None:
    be_patient()
    key = SigningKey(Path(os.environ["LEDGER_SIGNING_KEY"]).read_bytes())
    sealer = Sealer(os.environ["DATABASE_URL"], key, lambda: datetime.now(UTC), BATCH_EVENTS)
    has_sealed = False
    while True:
        sealed = sealer.step()
        if sealed is None:
            time.sleep(PAUSE_S)
        elif sealed.transactions and not has_sealed:
            has_sealed = True
            print("sealing", flush=True)


if __name__ == "__main__":
    main()
