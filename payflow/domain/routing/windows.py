"""What is remembered of how well a PSP account does: sums in which older payments count for less.

Each payment of the merchant, at whichever account, lets the earlier ones fade a little, and so does time.
So an account that gets fewer payments is known from fewer, and one that has recovered is soon believed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

# About how many payments of the merchant a window speaks of. Found by simulation: 100 is restless when two
# accounts are nearly as good, 400 takes twice as long to notice that one has recovered.
MEMORY = 200
HALF_LIFE = timedelta(hours=6)

_FADING_PER_PAYMENT = -math.log1p(-1 / MEMORY)
_FADING_PER_S = math.log(2) / HALF_LIFE.total_seconds()


@dataclass(frozen=True, slots=True)
class Window:
    """Sums as of the merchant's payment number ``seen``, at ``at_s`` seconds of Unix time."""

    samples: float
    approved: float
    latency_ms: float
    seen: int
    at_s: float

    def kept(self, seen: int, at_s: float) -> float:
        """The share of it that is left later on; all of it for what was before."""
        fading = (seen - self.seen) * _FADING_PER_PAYMENT + (at_s - self.at_s) * _FADING_PER_S
        return math.exp(-fading) if fading > 0 else 1.0

    def faded(self, seen: int, at_s: float) -> Window:
        """The same later on."""
        kept = self.kept(seen, at_s)
        return Window(
            self.samples * kept,
            self.approved * kept,
            self.latency_ms * kept,
            max(seen, self.seen),
            max(at_s, self.at_s),
        )


def observe(window: Window | None, approved: bool, latency_ms: float, seen: int, at_s: float) -> Window:
    """The window behind one more payment, which is the merchant's ``seen``-th."""
    if window is None:
        return Window(1.0, float(approved), latency_ms, seen, at_s)
    before = window.faded(seen, at_s)
    return Window(
        before.samples + 1,
        before.approved + approved,
        before.latency_ms + latency_ms,
        before.seen,
        before.at_s,
    )
