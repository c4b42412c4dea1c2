"""Rate limits by the generic cell rate algorithm (ITU-T I.371), in whole microseconds.

All that is kept of a caller is its theoretical arrival time: the instant at which everything it has taken
is paid back. ``store/rate_limiter.py`` has the same algorithm as a script; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class RateLimit:
    """``requests`` at once, and as many again in every ``per_s`` seconds, evenly spread.

    So there are never more than ``requests * (1 + t / per_s)`` in any t seconds.
    """

    requests: int
    per_s: int

    @property
    def interval_us(self) -> int:
        """What one request costs; rounded up, so that no more than the limit get through."""
        return -(-self.per_s * SECOND_US // self.requests)

    @property
    def burst_us(self) -> int:
        """How far ahead of the clock the theoretical arrival time may get."""
        return self.requests * self.interval_us


class Taken(NamedTuple):
    """How many requests may be made, and when to ask again if none may."""

    granted: int
    arrival_us: int
    retry_after_us: int


def take(limit: RateLimit, arrival_us: int, now_us: int, wanted: int = 1) -> Taken:
    """Takes as many of ``wanted`` requests as there are; ``arrival_us`` is what the last ``Taken`` said.

    An arrival that lies further ahead than the limit allows comes from a clock that was set back since,
    and counts as the furthest possible.
    """
    begins_us = max(now_us, min(arrival_us, now_us + limit.burst_us))
    granted = min(wanted, (now_us + limit.burst_us - begins_us) // limit.interval_us)
    if granted == 0:
        return Taken(0, arrival_us, begins_us + limit.interval_us - limit.burst_us - now_us)
    return Taken(granted, begins_us + granted * limit.interval_us, 0)
