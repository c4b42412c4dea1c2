"""The rules of a payment at the simulated PSPs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto

from payflow.domain.psp_outcome import OperationType
from payflow.psp.connector import PspCall

NEVER = datetime.min.replace(tzinfo=UTC)


class Status(Enum):
    """Where a payment stands."""

    WAITS_FOR_PAYER = auto()
    AUTHORIZED = auto()
    CAPTURED = auto()
    CANCELED = auto()
    DECLINED = auto()
    CAPTURE_FAILED = auto()


class NotAllowedError(Exception):
    """The payment does not allow what was asked."""


@dataclass(slots=True)
class Payment:
    """A payment at a PSP; amounts are minor units of ``currency``.

    ``reference`` is what it was opened under, ``returning`` what refunds are on their way with. ``acted``:
    its payer did not wait for a call to go on. ``confessed``: the PSP had said that it would not take it.
    """

    id: str
    reference: str
    amount: int
    currency: str
    sale: bool
    status: Status = Status.DECLINED
    captured: int = 0
    returned: int = 0
    returning: int = 0
    acted: bool = False
    confessed: bool = False
    approved_at: datetime = NEVER

    def approve(self, now: datetime) -> None:
        """Holds the amount, or takes it at once by a sale."""
        self.approved_at = now
        self.status = Status.CAPTURED if self.sale else Status.AUTHORIZED
        self.captured = self.amount if self.sale else 0

    def require(self, call: PspCall) -> None:
        """Raises NotAllowedError unless a capture, cancel or refund would be carried out now."""
        match call.operation:
            case OperationType.CAPTURE:
                allowed = self.status is Status.AUTHORIZED and call.amount <= self.amount
            case OperationType.CANCEL:
                allowed = self.status in (Status.AUTHORIZED, Status.WAITS_FOR_PAYER)
            case _:
                left = self.captured - self.returned - self.returning
                allowed = self.status is Status.CAPTURED and call.amount <= left
        if not allowed:
            raise NotAllowedError(f"{call.operation} of a payment that is {self.status.name}")

    def modify(self, call: PspCall) -> int:
        """Captures, cancels or refunds, and says how much that moved. Raises NotAllowedError."""
        self.require(call)
        match call.operation:
            case OperationType.CAPTURE:
                self.status, self.captured = Status.CAPTURED, call.amount
            case OperationType.CANCEL:
                held = self.amount if self.status is Status.AUTHORIZED else 0
                self.status = Status.CANCELED
                return held
            case _:
                self.returned += call.amount
        return call.amount

    def fail_capture(self) -> bool:
        """Takes the capture back; not where some of it was returned, or is about to be."""
        if self.status is not Status.CAPTURED or self.returned or self.returning:
            return False
        self.status, self.captured = Status.CAPTURE_FAILED, 0
        return True
