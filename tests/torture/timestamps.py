"""Times as whole microseconds since 1970, which is how exact they are on the wire and in the database."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

SECOND_US = 1_000_000


def microseconds(stamp: Timestamp) -> int:
    """What a timestamp says; 0 where it is absent."""
    return stamp.seconds * SECOND_US + stamp.nanos // 1_000


def timestamp(time_us: int) -> Timestamp:
    """The timestamp of so many microseconds."""
    return Timestamp(seconds=time_us // SECOND_US, nanos=time_us % SECOND_US * 1_000)
