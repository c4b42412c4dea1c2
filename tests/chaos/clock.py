"""The simulation's one clock: it moves when it is told to, and never back."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from unittest.mock import patch

START = datetime(2026, 1, 1, tzinfo=UTC)
TICK = timedelta(milliseconds=1)
LOOKING_AT_TIME = ("payflow.commands.", "server.worker.")


class SimulatedClock:
    """Fulfils payflow.domain.clock.Clock, and says the same in seconds as time.monotonic does."""

    def __init__(self) -> None:
        self._now = START

    def now(self) -> datetime:
        """The simulated time."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since the simulation began."""
        return (self._now - START).total_seconds()

    def forward(self, by: timedelta = TICK) -> None:
        """Lets time pass; without a span just so much that no two things happen at once."""
        self._now += by

    def go_to(self, instant: datetime) -> None:
        """Lets time pass until then, if it has not yet."""
        self._now = max(self._now, instant)

    @contextmanager
    def rules(self) -> Iterator[None]:
        """Inside, it is what use cases and workers measure their deadlines with.

        They reach time.monotonic through their module's name ``time``, each of which is replaced here; the
        rest of the process keeps its own time.
        """
        with ExitStack() as stack:
            for name, module in list(sys.modules.items()):
                if name.startswith(LOOKING_AT_TIME) and getattr(module, "time", None) is time:
                    stack.enter_context(
                        patch.object(module, "time", SimpleNamespace(monotonic=self.monotonic))
                    )
            yield
