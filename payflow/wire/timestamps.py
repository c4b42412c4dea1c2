"""Instants in protobuf."""

from __future__ import annotations

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp


def timestamp(at: datetime | None) -> Timestamp | None:
    """A protobuf timestamp, exact to the microsecond; None stays None."""
    if at is None:
        return None
    message = Timestamp()
    message.FromDatetime(at)
    return message
