"""Time as the domain sees it: asked of whoever runs it, never of the machine."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Says what time it is."""

    def now(self) -> datetime:
        """The time now, aware and in UTC."""
        ...
