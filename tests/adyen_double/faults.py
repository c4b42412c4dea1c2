"""What can be made to go wrong with the next requests."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

ANY = ""


class Kind(StrEnum):
    """``before`` and ``after`` are meant of the execution.

    A hang answers nothing until the caller gives up. ``slow`` executes late and then answers; meanwhile
    the key is in progress.
    """

    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    ERROR_BEFORE = "error_before"
    ERROR_AFTER = "error_after"
    HANG_BEFORE = "hang_before"
    HANG_AFTER = "hang_after"
    SLOW = "slow"
    OVERLOADED = "overloaded"


class Fault(Struct, forbid_unknown_fields=True):
    """Meets the next ``count`` requests to an endpoint, such as ``captures``, or to any."""

    kind: Kind
    endpoint: str = ANY
    count: int = 1
    delay_s: float = 0.0


class Faults:
    """The faults that are still to come, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Puts it behind the others."""
        self._waiting.append(fault)

    def left(self) -> int:
        """How many more requests are to meet one."""
        return sum(fault.count for fault in self._waiting)

    def next_for(self, endpoint: str) -> Fault | None:
        """The fault that meets this request, which it uses up."""
        for fault in self._waiting:
            if fault.endpoint in (ANY, endpoint):
                fault.count -= 1
                if fault.count <= 0:
                    self._waiting.remove(fault)
                return fault
        return None
