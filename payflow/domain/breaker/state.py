"""A circuit breaker as a document: what is known of one operation at one account of a PSP.

Instants are microseconds since 1970 by the clock of whoever wrote them. Clocks that differ by d make a
breaker half-open up to d early or late and put calls into a neighbouring slice of the window. How many
probes are let through does not depend on clocks, as long as d is less than what a probe's permit outlasts
its call by.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

WINDOW_SLICES: Final = 10
DOUBLINGS_MAX: Final = 3
JITTER_MAX: Final = 0.2


class Phase(StrEnum):
    """Closed lets every call through, half-open some probes, open none."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


class Verdict(StrEnum):
    """What a call says of the PSP."""

    SUCCESS = "success"
    FAILURE = "failure"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRules:
    """When a breaker opens and when it closes.

    It opens after ``failure_threshold`` failures in a row, and when ``failure_rate_percent`` of at least
    ``calls_min`` calls within ``window_s`` fail. ``timeout_s`` later it lets probes through until
    ``success_threshold`` of them have succeeded, which closes it; one that fails opens it again, for twice
    as long each time, DOUBLINGS_MAX times at most. A probe that does not report within ``probe_timeout_s``
    gives its permit back.
    """

    failure_threshold: int = 5
    success_threshold: int = 2
    timeout_s: float = 60.0
    window_s: float = 30.0
    failure_rate_percent: int = 50
    calls_min: int = 20
    probe_timeout_s: float = 30.0

    @property
    def open_max_s(self) -> float:
        """The longest that a breaker stays open."""
        return self.timeout_s * 2.0**DOUBLINGS_MAX * (1 + JITTER_MAX)

    def open_for_s(self, openings: int, jitter: float) -> float:
        """How long it stays open the ``openings``-th time without having been closed.

        ``jitter`` is random, from 0 to 1: accounts that failed together are not asked again together.
        """
        if openings <= 1:
            return self.timeout_s
        return self.timeout_s * 2.0 ** min(openings - 1, DOUBLINGS_MAX) * (1 + JITTER_MAX * jitter)


@dataclass(frozen=True, slots=True)
class Slice:
    """Calls in one WINDOW_SLICES-th of the window; ``number`` counts slices since 1970."""

    number: int
    successes: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Probe:
    """A permit for one call through a half-open breaker."""

    id: str
    granted_at_us: int


@dataclass(frozen=True, slots=True)
class Breaker:
    """The document. ``reason`` says why it is in its phase, for logs.

    ``openings`` counts since it was last closed, ``probes_succeeded`` since it is half-open.
    """

    phase: Phase = Phase.CLOSED
    changed_at_us: int = 0
    reason: str = ""
    failures_in_a_row: int = 0
    slices: tuple[Slice, ...] = ()
    openings: int = 0
    open_for_s: float = 0.0
    probes: tuple[Probe, ...] = ()
    probes_succeeded: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """How one call ended; ``probe`` is its permit's id, if it needed one.

    ``number`` rises with each call that a process sees the end of, which its clock need not.
    """

    at_us: int
    verdict: Verdict
    probe: str = ""
    number: int = 0
