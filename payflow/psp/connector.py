"""The protocol that every PSP connector fulfils."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from payflow.domain.psp_outcome import OperationType, Outcome


@dataclass(frozen=True, slots=True)
class PspCall:
    """One call as it is asked of a PSP; every repeat of it is equal, ``psp_key`` included.

    ``amount`` is minor units of ``currency``. ``psp_payment_id`` is empty for a first authorization;
    for an authorization that is resumed, and for capture, cancel and refund, it is the PSP's id of the
    payment. ``sale`` asks an authorization to take the money at once.
    """

    operation: OperationType
    psp_key: str
    merchant_id: str
    psp_account_id: str
    credential_ref: str
    amount: int
    currency: str
    payment_method: str = ""
    psp_payment_id: str = ""
    sale: bool = False


class Connector(Protocol):
    """Speaks to one PSP. Methods never raise for what a PSP or a network can do: they answer Unknown.

    ``key_window_s`` is how long the PSP remembers a key: inside it, a repeat with the same key is
    safe. ``timeout_s`` bounds every call.
    """

    name: str
    key_window_s: int
    timeout_s: float

    def execute(self, call: PspCall) -> Outcome:
        """Asks the PSP to do it. A connection that was never made is NotExecuted; silence is Unknown."""
        ...

    def look_up(self, call: PspCall) -> Outcome | None:
        """Asks what became of the call's ``psp_key``; None when the PSP has never seen it."""
        ...

    def cancel_by_reference(self, call: PspCall) -> Outcome:
        """Shuts the call's ``psp_key`` out for good.

        NotExecuted proves that nothing was, or ever will be, executed under it. When it had been
        executed already, the answer is what look_up would say, and nothing is changed.
        """
        ...
