"""How long the simulated PSP takes: distributions, each the inverse of its cumulative function."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Annotated

from msgspec import Meta, Struct

LATENCY_MAX_MS = 60_000

Milliseconds = Annotated[float, Meta(ge=0, le=LATENCY_MAX_MS)]

_NORMAL = NormalDist()
# At 0 and 1 a normal distribution has no value; less than this much of it is never drawn.
_TAIL = 2.0**-54


class NoLatency(Struct, frozen=True, forbid_unknown_fields=True, tag_field="distribution", tag="none"):
    """At once."""

    def seconds(self, share: float) -> float:
        """The latency that ``share`` (from 0 up to 1) of all are shorter than."""
        return 0.0


class FixedLatency(Struct, frozen=True, forbid_unknown_fields=True, tag_field="distribution", tag="fixed"):
    """Always ``ms``."""

    ms: Milliseconds

    def seconds(self, share: float) -> float:
        """The latency that ``share`` (from 0 up to 1) of all are shorter than."""
        return self.ms / 1_000


class UniformLatency(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="distribution", tag="uniform"
):
    """Anything from ``min_ms`` to ``max_ms``, equally likely."""

    min_ms: Milliseconds
    max_ms: Milliseconds

    def __post_init__(self) -> None:
        if self.min_ms > self.max_ms:
            raise ValueError(f"expected min_ms <= max_ms, not {self.min_ms:g} and {self.max_ms:g}")

    def seconds(self, share: float) -> float:
        """The latency that ``share`` (from 0 up to 1) of all are shorter than."""
        return (self.min_ms + share * (self.max_ms - self.min_ms)) / 1_000


class LognormalLatency(
    Struct, frozen=True, forbid_unknown_fields=True, tag_field="distribution", tag="lognormal"
):
    """Half below ``median_ms``, with a tail: its logarithm has the standard deviation ``sigma``.

    The times of real servers look so. What is longer than ``max_ms`` takes ``max_ms``.
    """

    median_ms: Annotated[float, Meta(gt=0, le=LATENCY_MAX_MS)]
    sigma: Annotated[float, Meta(ge=0, le=5)]
    max_ms: Milliseconds = LATENCY_MAX_MS

    def seconds(self, share: float) -> float:
        """The latency that ``share`` (from 0 up to 1) of all are shorter than."""
        deviations = _NORMAL.inv_cdf(min(max(share, _TAIL), 1 - _TAIL))
        return min(self.median_ms * math.exp(self.sigma * deviations), self.max_ms) / 1_000


Latency = NoLatency | FixedLatency | UniformLatency | LognormalLatency
