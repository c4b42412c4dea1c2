"""Waiting for what happens in its own time, on any machine."""

from __future__ import annotations

import time
from collections.abc import Callable

# Only what hangs takes so long; a machine that is slow and busy does not.
WAIT_S = 120.0
POLL_S = 0.02


def wait_until(condition: Callable[[], bool], within_s: float = WAIT_S) -> None:
    """Asks again and again until the answer is yes."""
    gives_up_at = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < gives_up_at, "it never came true"
        time.sleep(POLL_S)
