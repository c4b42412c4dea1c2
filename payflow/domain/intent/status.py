"""The statuses of a payment intent and the moves between them, as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class IntentStatus(StrEnum):
    """Where a payment intent stands."""

    CREATED = "CREATED"
    REQUIRES_ACTION = "REQUIRES_ACTION"
    PROCESSING = "PROCESSING"
    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"
    REFUNDED = "REFUNDED"
    CANCELED = "CANCELED"
    FAILED = "FAILED"


class RefundStatus(StrEnum):
    """Where a refund stands."""

    PENDING = "PENDING"
    REFUNDED = "REFUNDED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Move:
    """One allowed move and the event or condition that makes it."""

    source: IntentStatus
    target: IntentStatus
    cause: str


_S = IntentStatus

INTENT_MOVES = (
    Move(_S.CREATED, _S.PROCESSING, "authorize"),
    Move(_S.REQUIRES_ACTION, _S.PROCESSING, "authorize, cancel"),
    Move(_S.AUTHORIZED, _S.PROCESSING, "capture, cancel, expiry"),
    Move(_S.PROCESSING, _S.REQUIRES_ACTION, "payer has to act, or nothing was executed"),
    Move(_S.PROCESSING, _S.AUTHORIZED, "authorized, or nothing was executed"),
    Move(_S.PROCESSING, _S.CAPTURED, "captured, or sold at once"),
    Move(_S.PROCESSING, _S.CANCELED, "voided"),
    Move(_S.PROCESSING, _S.FAILED, "declined"),
    Move(_S.PROCESSING, _S.CREATED, "nothing was executed"),
    Move(_S.CREATED, _S.CANCELED, "cancel"),
    Move(_S.CAPTURED, _S.REFUNDED, "all refunded"),
    Move(_S.CAPTURED, _S.FAILED, "capture rejected later"),
    Move(_S.REFUNDED, _S.CAPTURED, "refund failed later"),
)

ALLOWED = frozenset((move.source, move.target) for move in INTENT_MOVES)


def require_allowed(source: IntentStatus, target: IntentStatus) -> None:
    """Raises ValueError for a move that is not in INTENT_MOVES; staying is always allowed."""
    if source is not target and (source, target) not in ALLOWED:
        raise ValueError(f"a payment intent never moves from {source} to {target}")


def mermaid() -> str:
    """INTENT_MOVES as a Mermaid state diagram; docs/DESIGN.md holds what this prints."""
    moves = (f"    {move.source.lower()} --> {move.target.lower()}: {move.cause}" for move in INTENT_MOVES)
    return "\n".join(["stateDiagram-v2", "    [*] --> created: create", *moves])
