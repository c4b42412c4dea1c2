"""What goes wrong in a run, and how often: drawn from its seed, so that every run has faults of its own.

Most faults are off in any one run. That is on purpose: where everything fails at once, one fault hides what
another would show (A. Groce et al., "Swarm Testing", ISSTA 2012).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """Probabilities, each at every occasion that it has."""

    # Calls to a PSP.
    never_sent: float = 0.0
    lost: float = 0.0
    unanswered: float = 0.0
    late: float = 0.0
    failed_before: float = 0.0
    failed_after: float = 0.0
    overloaded: float = 0.0
    connector_broken: float = 0.0
    questions_unanswered: float = 0.0
    outage: float = 0.0
    # What PSPs, payers and schemes do.
    declined: float = 0.0
    lied: float = 0.0
    challenged: float = 0.0
    modification_declined: float = 0.0
    deferred: float = 0.0
    fails_in_the_end: float = 0.0
    fails_later: float = 0.0
    canceled_by_psp: float = 0.0
    # Notices.
    dropped: float = 0.0
    duplicated: float = 0.0
    delayed: float = 0.0
    strangers: float = 0.0
    # PayFlow's own processes, its database and its guards.
    crash: float = 0.0
    meanwhile: float = 0.0
    sleep: float = 0.0
    acknowledgement_lost: float = 0.0
    gate_shut: float = 0.0
    slots_taken: float = 0.0
    # Callers, operators and time.
    repeated: float = 0.0
    given_up: float = 0.0
    resolved: float = 0.0
    long_wait: float = 0.0


CALM = Weather()

OFTEN = Weather(
    never_sent=0.1,
    lost=0.1,
    unanswered=0.12,
    late=0.08,
    failed_before=0.1,
    failed_after=0.1,
    overloaded=0.04,
    connector_broken=0.02,
    questions_unanswered=0.2,
    outage=0.01,
    declined=0.25,
    lied=0.12,
    challenged=0.2,
    modification_declined=0.1,
    deferred=0.3,
    fails_in_the_end=0.15,
    fails_later=0.15,
    canceled_by_psp=0.02,
    dropped=0.3,
    duplicated=0.3,
    delayed=0.5,
    strangers=0.1,
    crash=0.03,
    meanwhile=0.12,
    sleep=0.02,
    acknowledgement_lost=0.05,
    gate_shut=0.02,
    slots_taken=0.03,
    repeated=0.15,
    given_up=0.1,
    resolved=0.03,
    long_wait=0.02,
)
KINDS = (0.0, 0.0, 0.3, 1.0, 1.5)
# Without these nothing could overlap.
ALWAYS_SOME = {"meanwhile", "repeated"}


@dataclass(frozen=True, slots=True)
class Climate:
    """A run's weather while faults are on, and what lasts through it."""

    weather: Weather
    key_window: timedelta

    @classmethod
    def drawn(cls, chance: random.Random, certain: Mapping[str, float]) -> Climate:
        """Each kind of fault off, or on as often as this run has it; ``certain`` ones are given."""
        shares = {
            one.name: getattr(OFTEN, one.name)
            * chance.choice(KINDS[2:] if one.name in ALWAYS_SOME else KINDS)
            for one in fields(Weather)
        }
        window = chance.choice((timedelta(minutes=10), timedelta(hours=1), timedelta(days=1)))
        return cls(Weather(**{**shares, **certain}), window)
