"""The machine's clock, for the processes to inject."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """Fulfils payflow.domain.clock.Clock with the operating system's time."""

    def now(self) -> datetime:
        """The time now, aware and in UTC."""
        return datetime.now(UTC)
