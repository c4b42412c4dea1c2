"""What operators see of the gate in front of PSPs: a line in the log for each change, and metrics."""

from __future__ import annotations

import logging
from functools import lru_cache

from prometheus_client import Counter, Gauge

from payflow.domain.breaker.state import Breaker, Phase
from payflow.domain.endpoint import Endpoint
from payflow.domain.psp_outcome import Gated

log = logging.getLogger(__name__)

# Accounts come and go; what is measured of more than these is measured together.
LABELLED_MAX = 1_000
OTHERS = "(others)"
KEYS_MAX = 10_000

STATE = Gauge(
    "payflow_psp_breaker_state",
    "Circuit breakers that were ever open, by what they are now: 0 closed, 1 half-open, 2 open.",
    ["connector", "credential_ref", "operation"],
    multiprocess_mode="livemostrecent",
)
CHANGES = Counter(
    "payflow_psp_breaker_changes_total",
    "Changes of circuit breakers, counted by the process that made them.",
    ["connector", "credential_ref", "operation", "to"],
)
REFUSED = Counter(
    "payflow_psp_calls_refused_total",
    "Calls that were not made, because the breaker was open or the account's rate limit used up.",
    ["connector", "credential_ref", "operation", "code"],
)

_STATES = {Phase.CLOSED: 0, Phase.HALF_OPEN: 1, Phase.OPEN: 2}
_labelled: set[tuple[str, str]] = set()


@lru_cache(KEYS_MAX)
def key_of(endpoint: Endpoint, operation: Gated) -> str:
    """Names a breaker. The last part alone may have colons in it."""
    return f"{endpoint.connector}:{operation}:{endpoint.credential_ref}"


def breaker_changed(key: str, before: Breaker, after: Breaker, ours: bool) -> None:
    """Takes note of a breaker that changed; those that others changed are logged by them."""
    if before.phase is after.phase:
        return
    connector, operation, credential_ref = key.split(":", 2)
    labels = _labels(connector, credential_ref, operation)
    STATE.labels(*labels).set(_STATES[after.phase])
    if not ours:
        return
    CHANGES.labels(*labels, after.phase).inc()
    level = logging.WARNING if after.phase is Phase.OPEN else logging.INFO
    log.log(
        level,
        "breaker of %s %s: %s -> %s, because %s",
        connector,
        operation,
        before.phase,
        after.phase,
        after.reason,
        extra={"connector": connector, "credential_ref": credential_ref, "operation": operation},
    )


def call_refused(endpoint: Endpoint, operation: Gated, code: str) -> None:
    """Counts a call that was not made."""
    REFUSED.labels(*_labels(endpoint.connector, endpoint.credential_ref, operation), code).inc()


def _labels(connector: str, credential_ref: str, operation: str) -> tuple[str, str, str]:
    account = (connector, credential_ref)
    if account not in _labelled:
        if len(_labelled) >= LABELLED_MAX:
            return connector, OTHERS, operation
        _labelled.add(account)
    return connector, credential_ref, operation
