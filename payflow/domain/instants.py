"""Instants as whole numbers: never by way of a float, which cannot tell all of them apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(instant: datetime) -> int:
    """Microseconds since 1970."""
    return (instant - EPOCH) // _MICROSECOND


def instant_of(since_1970_us: int) -> datetime:
    """The instant of ``microseconds``. Raises OverflowError for one that no calendar has."""
    return EPOCH + since_1970_us * _MICROSECOND
