"""The gate in front of every call to a PSP: its circuit breaker, and the account's own rate limit.

A call that ``enter`` lets through has to ``leave`` on the same thread, whatever came of it. Nothing here
waits while a breaker is closed, but for a chunk of the rate limit now and then.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from functools import lru_cache, partial
from itertools import count
from typing import Protocol

from payflow.domain.breaker.admission import admit, admits, try_again
from payflow.domain.breaker.state import Breaker, BreakerRules, Phase, Seen, Verdict
from payflow.domain.clock import Clock
from payflow.domain.declines import NOT_TAKEN
from payflow.domain.endpoint import Endpoint
from payflow.domain.gcra import RateLimit
from payflow.domain.instants import microseconds
from payflow.domain.psp_outcome import (
    GATED,
    Accepted,
    ActionRequired,
    Approved,
    Declined,
    Gated,
    NotExecuted,
    OperationType,
    Outcome,
    Unknown,
)
from payflow.psp.breaker_watch import KEYS_MAX, call_refused, key_of

ADMITTED = ""
BREAKER_OPEN = "breaker_open"
OVERLOADED = "psp_overloaded"


class Breakers(Protocol):
    """Breakers by key, shared by all processes; fulfilled by payflow.store.redis.shared_documents."""

    def view(self, key: str) -> Breaker:
        """What is known of it here."""
        ...

    def observe(self, key: str, observation: Seen) -> None:
        """Takes note of a call's end, without waiting."""
        ...

    def update(self, key: str, change: Callable[[Breaker], Breaker | None]) -> Breaker | None:
        """Changes it for all processes; None where the change declines or cannot be made."""
        ...


class Rates(Protocol):
    """Rate limits by key; fulfilled by payflow.store.redis.rate_limiter."""

    def take(self, key: str, limit: RateLimit) -> float:
        """Takes one call: 0 when it may be made, otherwise the seconds until one may."""
        ...

    def is_used_up(self, key: str) -> bool:
        """Whether a call is known to be refused."""
        ...


class Gate:
    """``limit_of`` says how often an account may be called; None is without limit.

    ``new_id`` gives ids that no other process gives.
    """

    def __init__(
        self,
        breakers: Breakers,
        rules: BreakerRules,
        rates: Rates,
        limit_of: Callable[[Endpoint], RateLimit | None],
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._breakers = breakers
        self._rules = rules
        self._rates = rates
        self._limit_of = limit_of
        self._clock = clock
        self._new_id = new_id
        self._permits: defaultdict[tuple[int, str], list[str]] = defaultdict(list)
        self._numbers = count()

    def admits(self, endpoint: Endpoint, operation: OperationType) -> bool:
        """Whether a call would be let through, as far as is known here: for routing."""
        if not self._breaker_admits(key_of(endpoint, operation)):
            return False
        return not self._rates.is_used_up(_rate_key(endpoint))

    def enter(self, endpoint: Endpoint, operation: Gated) -> str:
        """Empty when the call may be made; otherwise the canonical decline code of why not."""
        code = self._refusal(endpoint, key_of(endpoint, operation))
        if code:
            call_refused(endpoint, operation, code)
        return code

    def leave(self, endpoint: Endpoint, operation: Gated, answer: Outcome | None) -> None:
        """Learns from the end of a call that was let through; None is an answer that knows of nothing."""
        key = key_of(endpoint, operation)
        verdict = verdict_of(answer)
        probe = self._permit(key)
        if probe or verdict is not Verdict.NEITHER:
            self._breakers.observe(key, Seen(self._now_us(), verdict, probe, next(self._numbers)))

    def answered(self, endpoint: Endpoint) -> None:
        """The PSP answered somebody who asked past the gate: open breakers let probes through at once."""
        for operation in GATED:
            key = key_of(endpoint, operation)
            if self._breakers.view(key).phase is Phase.OPEN:
                self._breakers.update(key, try_again)

    def _refusal(self, endpoint: Endpoint, key: str) -> str:
        if not self._breaker_admits(key):
            return BREAKER_OPEN
        limit = self._limit_of(endpoint)
        if limit is not None and self._rates.take(_rate_key(endpoint), limit) > 0:
            return OVERLOADED
        return ADMITTED if self._breaker_lets_through(key) else BREAKER_OPEN

    def _breaker_admits(self, key: str) -> bool:
        breaker = self._breakers.view(key)
        # The first look alone is what nearly every call costs.
        return breaker.phase is Phase.CLOSED or admits(breaker, self._rules, self._now_us())

    def _breaker_lets_through(self, key: str) -> bool:
        if self._breakers.view(key).phase is Phase.CLOSED:
            return True
        probe = self._new_id()
        change = partial(admit, rules=self._rules, now_us=self._now_us(), probe=probe)
        admitted = self._breakers.update(key, change)
        if admitted is None:
            return False
        if any(permit.id == probe for permit in admitted.probes):
            self._permits[threading.get_ident(), key].append(probe)
        return True

    def _permit(self, key: str) -> str:
        """The id of the permit that this thread's call has; empty where it needed none."""
        mine = (threading.get_ident(), key)
        if mine not in self._permits:
            return ""
        permit = self._permits[mine].pop()
        if not self._permits[mine]:
            del self._permits[mine]
        return permit

    def _now_us(self) -> int:
        return microseconds(self._clock.now())


def verdict_of(answer: Outcome | None) -> Verdict:
    """What an answer says of the PSP: a definite one is good, whatever it says of the payment.

    A refusal before anything was executed may never have been the PSP's, such as of a currency.
    """
    match answer:
        case Unknown():
            return Verdict.FAILURE
        case NotExecuted():
            return Verdict.FAILURE if answer.failure.code in NOT_TAKEN else Verdict.NEITHER
        case Approved() | Accepted() | ActionRequired() | Declined() | None:
            return Verdict.SUCCESS


@lru_cache(KEYS_MAX)
def _rate_key(endpoint: Endpoint) -> str:
    return f"psp:{endpoint.connector}:{endpoint.credential_ref}"
