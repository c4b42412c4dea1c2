"""What is remembered of how well a PSP account does: sums in which older payments count for less.

Each payment of the merchant, at whichever account, lets the earlier ones fade a little, and so does time.
So an account that gets fewer payments is known from fewer, and one that has recovered is soon believed.
Fading is linear: windows of one account that several processes kept add up to what one would have kept.
"""

from __future__ import annotations

import math
import struct
from dataclasses import astuple, dataclass
from datetime import timedelta

# About how many payments of the merchant a window speaks of. Found by simulation: 100 is restless when two
# accounts are nearly as good, 400 takes twice as long to notice that one has recovered.
MEMORY = 200
HALF_LIFE = timedelta(hours=6)

_FADING_PER_PAYMENT = -math.log1p(-1 / MEMORY)
_FADING_PER_S = math.log(2) / HALF_LIFE.total_seconds()
_LAYOUT = struct.Struct(">dddqd")


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
    one = Window(1.0, float(approved), latency_ms, seen, at_s)
    return one if window is None else merge(window, one)


def merge(one: Window, other: Window) -> Window:
    """What both saw together; ``seen`` has to count the same payments in both."""
    seen, at_s = max(one.seen, other.seen), max(one.at_s, other.at_s)
    one, other = one.faded(seen, at_s), other.faded(seen, at_s)
    return Window(
        one.samples + other.samples,
        one.approved + other.approved,
        one.latency_ms + other.latency_ms,
        seen,
        at_s,
    )


def encode(window: Window) -> bytes:
    """40 bytes, for processes to share it."""
    return _LAYOUT.pack(*astuple(window))


def decode(content: bytes) -> Window:
    """What ``encode`` was given. Raises ValueError for anything that cannot be a window."""
    try:
        samples, approved, latency_ms, seen, at_s = _LAYOUT.unpack(content)
    except struct.error as error:
        raise ValueError(f"not a window: {error}") from None
    if not (0 <= approved <= samples < math.inf and 0 <= latency_ms < math.inf and seen >= 0):
        raise ValueError("not a window: its sums make no sense")
    if not 0 <= at_s < math.inf:
        raise ValueError("not a window: its time makes no sense")
    return Window(samples, approved, latency_ms, seen, at_s)
