"""Circuit breakers out of the way, where a test is about what PSPs fail to answer."""

from __future__ import annotations

NEVER_OPENS = {"CB_FAILURE_THRESHOLD": "1000", "CB_MIN_CALLS": "1000000"}
