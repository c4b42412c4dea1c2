"""Chance that comes out the same again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

_BITS = 53  # what a float between 0 and 1 holds exactly


@dataclass(frozen=True, slots=True)
class Chance:
    """The random decisions about one reference, the ``count``-th time that it is seen.

    Each is a pure function of these and of the question: neither the time nor what else is going on has
    a part in it.
    """

    seed: int
    reference: str
    count: int

    def share(self, question: str) -> float:
        """A number from 0 up to, and without, 1; all are equally likely."""
        text = f"{self.seed}:{question}:{self.count}:{self.reference}"
        drawn = hashlib.sha256(text.encode()).digest()[:8]
        return (int.from_bytes(drawn) >> 64 - _BITS) / (1 << _BITS)

    def happens(self, question: str, probability: float) -> bool:
        """Yes with ``probability``: never at 0, always at 1."""
        return self.share(question) < probability
