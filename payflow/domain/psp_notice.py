"""What a PSP says of an operation without being asked, in the words of the domain."""

from __future__ import annotations

from dataclasses import dataclass

from payflow.domain.psp_outcome import OperationType, Outcome


@dataclass(frozen=True, slots=True)
class Notice:
    """An operation's outcome as a verified webhook tells it.

    ``psp_key`` is the reference that the operation was asked under, where the PSP repeats it;
    otherwise the operation on ``psp_payment_id`` is meant. ``amount`` (minor units) and ``currency`` are
    compared with what was asked where the PSP states them. ``after_success`` says that the operation had
    succeeded and has failed later: a capture that the scheme rejected, a refund that bounced.
    """

    operation: OperationType
    outcome: Outcome
    psp_key: str = ""
    psp_payment_id: str = ""
    amount: int | None = None
    currency: str = ""
    after_success: bool = False
