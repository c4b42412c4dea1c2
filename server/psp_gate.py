"""Builds the gate in front of PSPs, and what it shares with other processes."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable

from payflow.domain.breaker.reducer import BreakerReducer
from payflow.domain.breaker.state import Breaker, BreakerRules, Seen
from payflow.domain.clock import Clock
from payflow.psp.breaker_watch import breaker_changed
from payflow.psp.gate import Gate, Rates
from payflow.store.redis.document_copy import Kind
from payflow.store.redis.optional_redis import OptionalRedis
from payflow.store.redis.shared_documents import SharedDocuments
from server.config import Settings
from server.psp_rate_limits import PspRateLimits

# The number is that of the document's form: releases that differ in it keep their breakers apart.
DOCUMENTS = "breaker:1"
OUTLIVES_OPEN_S = 3600.0
ID_BYTES = 8

Breakers = SharedDocuments[Breaker, Seen]


def build_gate(
    settings: Settings,
    connectors: Iterable[str],
    redis: OptionalRedis | None,
    rates: Rates,
    clock: Clock,
    probe_timeout_s: float,
) -> tuple[Gate, Breakers]:
    """The gate, and its breakers, to be closed. ``probe_timeout_s`` is longer than a call to a PSP takes.

    Raises ConfigurationError for a rate limit that cannot be used.
    """
    limits = PspRateLimits(settings, connectors)
    rules = BreakerRules(
        failure_threshold=settings.cb_failure_threshold,
        success_threshold=settings.cb_success_threshold,
        timeout_s=settings.cb_timeout_s,
        window_s=settings.cb_window_s,
        failure_rate_percent=settings.cb_failure_rate,
        calls_min=settings.cb_min_calls,
        probe_timeout_s=probe_timeout_s,
    )
    kind = Kind(Breaker, BreakerReducer(rules, random.random))
    expiry_s = rules.open_max_s + OUTLIVES_OPEN_S
    breakers = SharedDocuments(redis, DOCUMENTS, kind, expiry_s, breaker_changed)
    return Gate(breakers, rules, rates, limits.of, clock, _new_id), breakers


def _new_id() -> str:
    return os.urandom(ID_BYTES).hex()
