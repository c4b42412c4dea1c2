"""Instants in requests."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.message import Message

from payflow.domain.errors import invalid_field


def instant(request: Message, name: str) -> datetime | None:
    """A Timestamp field in UTC, None where it is not given. Raises VALIDATION_FAILED where it is none."""
    if not request.HasField(name):
        return None
    try:
        found: datetime = getattr(request, name).ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise invalid_field(name, "must be a time from year 1 to 9999") from None
    return found
