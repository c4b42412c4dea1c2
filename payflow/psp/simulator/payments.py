"""The rules of a payment at the simulated PSP: pure functions from a payment to what it becomes."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from payflow.psp.simulator.answers import Failure
from payflow.psp.simulator.requests import Instruction, Operation


class Status(StrEnum):
    """Where a payment stands."""

    REQUIRES_ACTION = "requires_action"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    CANCELED = "canceled"
    DECLINED = "declined"
    CAPTURE_FAILED = "capture_failed"


class Payment(Struct, frozen=True):
    """One payment; amounts are minor units of ``currency``.

    ``reference`` is what it was first asked for under. ``payer_acted``: without waiting for a confirm.
    """

    id: str
    status: Status
    amount: int
    currency: str
    sale: bool
    captured: int = 0
    refunded: int = 0
    expires_at: datetime | None = None
    payment_method: str = ""
    reference: str = ""
    payer_acted: bool = False


class RuleBrokenError(Exception):
    """The payment does not allow what was asked; ``failure`` is the answer."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.failure = Failure(code, message)


def opened(payment_id: str, asked: Instruction) -> Payment:
    """The payment that a first authorization opens; nothing is held yet."""
    return Payment(
        payment_id,
        Status.REQUIRES_ACTION,
        asked.amount,
        asked.currency,
        asked.sale,
        payment_method=asked.payment_method,
        reference=asked.reference,
    )


def approved(payment: Payment, now: datetime, ttl: timedelta) -> Payment:
    """The payment with its amount held, or taken at once by a sale."""
    if payment.sale:
        return replace(payment, status=Status.CAPTURED, captured=payment.amount)
    return replace(payment, status=Status.AUTHORIZED, expires_at=now + ttl)


def declined(payment: Payment) -> Payment:
    """The payment that nobody takes."""
    return replace(payment, status=Status.DECLINED)


def payer_acted(payment: Payment) -> Payment:
    """The payment whose payer did not wait for a confirm."""
    return replace(payment, payer_acted=True)


def require_confirmable(payment: Payment, asked: Instruction) -> None:
    """Raises RuleBrokenError unless the payment waits for its payer, or has heard of them already."""
    acted = (Status.AUTHORIZED, Status.CAPTURED, Status.DECLINED)
    _require_status(payment, *(acted if payment.payer_acted else (Status.REQUIRES_ACTION,)))
    _require_currency(payment, asked)
    if asked.amount != payment.amount:
        raise RuleBrokenError("amount_mismatch", "The amount is not the payment's.")


def modified(operation: Operation, payment: Payment, asked: Instruction, now: datetime) -> Payment:
    """The payment after a capture, a cancel or a refund; raises RuleBrokenError."""
    if operation is Operation.CAPTURE:
        return captured(payment, asked, now)
    return canceled(payment) if operation is Operation.CANCEL else refunded(payment, asked)


def captured(payment: Payment, asked: Instruction, now: datetime) -> Payment:
    """The payment after its only capture; what is not captured is released.

    An authorization ends at ``expires_at`` exactly.
    """
    _require_status(payment, Status.AUTHORIZED)
    _require_currency(payment, asked)
    if payment.expires_at is None or now >= payment.expires_at:
        raise RuleBrokenError("authorization_expired", "The authorization has expired.")
    if asked.amount > payment.amount:
        raise RuleBrokenError("amount_exceeds_authorized", "The amount is more than was authorized.")
    return replace(payment, status=Status.CAPTURED, captured=asked.amount)


def canceled(payment: Payment) -> Payment:
    """The payment after it was voided, which does no harm to an authorization that has expired."""
    _require_status(payment, Status.AUTHORIZED, Status.REQUIRES_ACTION)
    return replace(payment, status=Status.CANCELED)


def refunded(payment: Payment, asked: Instruction) -> Payment:
    """The payment after one more refund; all refunds together stay within what was captured."""
    _require_status(payment, Status.CAPTURED)
    _require_currency(payment, asked)
    if asked.amount > payment.captured - payment.refunded:
        raise RuleBrokenError("amount_exceeds_captured", "The refunds would be more than was captured.")
    return replace(payment, refunded=payment.refunded + asked.amount)


def capture_failed(payment: Payment) -> Payment | None:
    """The payment after its capture was taken back; None where something of it was refunded."""
    if payment.status is not Status.CAPTURED or payment.refunded:
        return None
    return replace(payment, status=Status.CAPTURE_FAILED, captured=0)


def refund_failed(payment: Payment, amount: int) -> Payment:
    """The payment after one of its refunds came back; it may be refunded again."""
    return replace(payment, refunded=payment.refunded - amount)


def _require_status(payment: Payment, *allowed: Status) -> None:
    if payment.status not in allowed:
        raise RuleBrokenError("invalid_state", f"The payment is {payment.status}.")


def _require_currency(payment: Payment, asked: Instruction) -> None:
    if asked.currency != payment.currency:
        raise RuleBrokenError("currency_mismatch", f"The payment is in {payment.currency}.")
