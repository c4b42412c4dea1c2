"""Which events merchants are told of, and how an endpoint asks for some of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from payflow.domain.errors import invalid_field

ALL = "*"
PATTERNS_MAX = 50

# Asks of one endpoint alone.
TEST = "webhook_endpoint.tested"

# What other systems of a merchant build on. How PayFlow got there (attempts, routing, failover) and what only
# operators change are not among them.
SENT = (
    "payment_intent.created",
    "payment_intent.action_required",
    "payment_intent.operation_aborted",
    "payment_intent.authorized",
    "payment_intent.captured",
    "payment_intent.capture_reversed",
    "payment_intent.canceled",
    "payment_intent.failed",
    "refund.created",
    "refund.succeeded",
    "refund.failed",
    "refund.reversed",
    "transaction.posted",
    "transaction.held",
    "transaction.resolved",
)

_PATTERNS = frozenset({ALL, *SENT, *(f"{one.partition('.')[0]}.{ALL}" for one in SENT)})


def event_types(patterns: Sequence[str], name: str = "event_types") -> tuple[str, ...]:
    """What a request asks for, each once; everything when it names nothing. Raises VALIDATION_FAILED."""
    if len(patterns) > PATTERNS_MAX:
        raise invalid_field(name, f"must be at most {PATTERNS_MAX}")
    for number, pattern in enumerate(patterns):
        if pattern not in _PATTERNS:
            known = ", ".join(sorted(_PATTERNS))
            raise invalid_field(f"{name}[{number}]", f"must be one of {known}")
    return tuple(dict.fromkeys(patterns)) or (ALL,)


def matches(patterns: Iterable[str], event_type: str) -> bool:
    """Whether an event that is sent at all is among what was asked for."""
    asked = {ALL, event_type, f"{event_type.partition('.')[0]}.{ALL}"}
    return any(pattern in asked for pattern in patterns)
