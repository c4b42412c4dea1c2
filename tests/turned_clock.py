"""A clock that stands where a test puts it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class TurnedClock:
    """Fulfils payflow.domain.clock.Clock; it stands still until it is turned forward."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC)

    def now(self) -> datetime:
        """The time it was turned to last."""
        return self._now

    def forward(self, *, seconds: float = 0, hours: float = 0, days: float = 0) -> None:
        """Turns it forward."""
        self._now += timedelta(seconds=seconds, hours=hours, days=days)


class ShiftedClock:
    """The machine's clock, always ahead of it by ``ahead_s`` seconds, or behind it."""

    def __init__(self, ahead_s: float) -> None:
        self._ahead = timedelta(seconds=ahead_s)

    def now(self) -> datetime:
        """The shifted time, aware and in UTC."""
        return datetime.now(UTC) + self._ahead
