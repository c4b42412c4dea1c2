"""The rules of a payment at the double: pure functions from a payment to what it becomes.

Adyen takes a modification in whatever its amount is and says later that it was not possible: here a
modification that breaks a rule leaves the payment as it was, with the reason.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace


class Status(StrEnum):
    """Where a payment stands."""

    AWAITING = "awaiting"
    AUTHORISED = "authorised"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Payment(Struct, frozen=True):
    """One payment; amounts are Adyen's minor units of ``currency``.

    It is captured once at most, and what is not captured then is let go of. ``sale`` captures it as soon
    as it is authorised. The payer comes back to ``return_url``.
    """

    psp_reference: str
    reference: str
    value: int
    currency: str
    status: Status
    sale: bool
    return_url: str
    captured: int = 0
    refunded: int = 0


class RuleBrokenError(Exception):
    """The payment does not allow it; the message is what Adyen would give as the reason."""


def authorised(payment: Payment) -> Payment:
    """The payment once the issuer has agreed."""
    captured = payment.value if payment.sale else 0
    return replace(payment, status=Status.AUTHORISED, captured=captured)


def captured(payment: Payment, value: int, currency: str) -> Payment:
    """The payment after its only capture."""
    _require(payment.status is Status.AUTHORISED, "Transaction is not authorised")
    _require(payment.captured == 0, "Transaction has been captured already")
    _require(currency == payment.currency, "Currency is not the transaction's")
    _require(0 < value <= payment.value, "Insufficient balance on payment")
    return replace(payment, captured=value)


def refused(payment: Payment) -> Payment:
    """The payment once somebody has said no."""
    return replace(payment, status=Status.REFUSED)


def capture_failed(payment: Payment, value: int) -> Payment:
    """The payment after a scheme has rejected its capture."""
    return replace(payment, captured=payment.captured - value)


def cancelled(payment: Payment) -> Payment:
    """The payment after its authorisation was let go of."""
    _require(payment.status is Status.AUTHORISED, "Transaction is not authorised")
    _require(payment.captured == 0, "Transaction has been captured")
    return replace(payment, status=Status.CANCELLED)


def refunded(payment: Payment, value: int, currency: str) -> Payment:
    """The payment after one more refund; all of them together stay within what was captured."""
    _require(payment.captured > 0, "Transaction hasn't been captured, refund not possible")
    _require(currency == payment.currency, "Currency is not the transaction's")
    _require(0 < value <= payment.captured - payment.refunded, "Insufficient balance on payment")
    return replace(payment, refunded=payment.refunded + value)


def refund_failed(payment: Payment, value: int) -> Payment:
    """The payment after a refund came back."""
    return replace(payment, refunded=payment.refunded - value)


def is_open(payment: Payment) -> bool:
    """Whether money is held for it and can still run out."""
    return payment.status is Status.AUTHORISED and payment.captured == 0


def expired(payment: Payment) -> Payment:
    """The payment after its authorisation has run out."""
    return replace(payment, status=Status.EXPIRED)


def _require(holds: bool, reason: str) -> None:
    if not holds:
        raise RuleBrokenError(reason)
