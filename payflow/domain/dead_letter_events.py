"""What operators did about dead letters. Field names are those of proto/payflow/v1/events.proto."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeadLetterRetried:
    """A dead letter, and what waited behind it, is to be tried again."""

    consumer: str
    aggregate_id: str
    aggregate_version: int
    event_type: str


@dataclass(frozen=True, slots=True)
class DeadLetterDiscarded:
    """A dead letter was given up."""

    consumer: str
    aggregate_id: str
    aggregate_version: int
    event_type: str
    reason: str


DeadLetterEvent = DeadLetterRetried | DeadLetterDiscarded


def aggregate_id(merchant_id: str) -> str:
    """The id of the event stream of what was done about a merchant's dead letters."""
    return f"dead_letters:{merchant_id}"
