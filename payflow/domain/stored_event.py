"""An event as it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event with its envelope; ``payload`` is the protobuf message of its ``type``."""

    merchant_id: str
    aggregate_id: str
    aggregate_version: int
    type: str
    schema_version: int
    payload: bytes
    occurred_at: datetime
    actor: str
    correlation_id: str
    causation_id: str
    traceparent: str
