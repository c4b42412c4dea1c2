"""Events as dead letters, and back."""

from __future__ import annotations

from payflow.domain.dead_letter import DeadLetter, Letter
from payflow.events.cloud_event import from_wire, headers_of
from payflow.events.published_event import PublishedEvent


def letter_of(event: PublishedEvent) -> Letter:
    """The event as it is kept."""
    return Letter(
        event.merchant_id,
        event.aggregate_id,
        event.aggregate_version,
        event.type,
        headers_of(event),
        event.data,
    )


def event_of(kept: DeadLetter) -> PublishedEvent:
    """The event that was kept. Raises MalformedEventError."""
    return from_wire(kept.letter.headers, kept.letter.value)
