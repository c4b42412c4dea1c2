"""What can happen to one request on its way to the simulated PSP and back."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import asdict

Probability = Annotated[float, Meta(ge=0, le=1)]


class Fault(StrEnum):
    """A fault of the server or of the network, before the request is executed or after it was."""

    ERROR_BEFORE = "error_before"
    ERROR_AFTER = "error_after"
    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    TIMEOUT_BEFORE = "timeout_before"
    TIMEOUT_AFTER = "timeout_after"
    OVERLOADED = "overloaded"

    @property
    def is_before(self) -> bool:
        """Whether the request is never executed."""
        return self not in (Fault.ERROR_AFTER, Fault.RESET_AFTER, Fault.TIMEOUT_AFTER)


class Faults(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The probability of each fault of a request; together at most 1.

    An error is a 500, a reset a connection closed without a word, a time-out one that stays silent until
    the caller gives up, ``overloaded`` a 429: before execution the request is lost, after it the answer.
    """

    error_before: Probability = 0.0
    error_after: Probability = 0.0
    reset_before: Probability = 0.0
    reset_after: Probability = 0.0
    timeout_before: Probability = 0.0
    timeout_after: Probability = 0.0
    overloaded: Probability = 0.0

    def __post_init__(self) -> None:
        if sum(asdict(self).values()) > 1 + 1e-9:
            raise ValueError("expected probabilities that are together at most 1")

    def at(self, share: float) -> Fault | None:
        """The fault that ``share`` (from 0 up to 1) falls to, or none."""
        for name, probability in asdict(self).items():
            if share < probability:
                return Fault(name)
            share -= probability
        return None
