"""An event as it is published: CloudEvents 1.0 in Kafka's binary content mode."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class PublishedEvent:
    """One event with its envelope; ``data`` is the message of its ``type`` as protobuf JSON.

    The envelope travels in headers, so that who only routes needs not parse anything.
    """

    id: str
    type: str
    schema_version: int
    merchant_id: str
    aggregate_id: str
    aggregate_version: int
    occurred_at: datetime
    actor: str
    correlation_id: str
    causation_id: str
    traceparent: str
    data: bytes
