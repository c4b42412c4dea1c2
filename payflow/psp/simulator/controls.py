"""What an operator holds of a running simulator: its behaviour, and the clock that this turns."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from payflow.psp.simulator.behaviour import Behaviour


class Controls:
    """The behaviour as of now; everybody asks for it when they need it."""

    def __init__(self, initial: Behaviour, now: Callable[[], datetime]) -> None:
        """``now`` answers aware UTC times."""
        self.behaviour = initial
        self._initial = initial
        self._now = now

    def now(self) -> datetime:
        """The time on the simulator's clock."""
        return self._now() + self.behaviour.clock_offset

    def change(self, changes: dict[str, Any]) -> None:
        """Sets what is named, and everything else to its start value. Raises msgspec.ValidationError."""
        initial: dict[str, Any] = msgspec.to_builtins(self._initial)
        self.behaviour = msgspec.convert(initial | changes, Behaviour)
