"""How long to wait before something is tried again: the one rule for databases, PSPs and webhooks."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double from ``first_s`` up to ``most_s``, with full jitter so that callers spread out.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    first_s: float
    most_s: float

    def pause_s(self, tries: int, jitter: random.Random) -> float:
        """Seconds to wait after ``tries`` tries, the first counting as 0."""
        # Past 2^30 the ceiling has long been reached, and a float would overflow some day.
        return jitter.uniform(0, min(self.most_s, self.first_s * 2.0 ** min(tries, 30)))
