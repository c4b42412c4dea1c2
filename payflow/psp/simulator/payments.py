"""The rules of a payment at the simulated PSP: pure functions from a payment to what it becomes."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from payflow.psp.simulator.answers import Failure
from payflow.psp.simulator.cards import Card
from payflow.psp.simulator.requests import Instruction


class Status(StrEnum):
    """Where a payment stands."""

    REQUIRES_ACTION = "requires_action"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    CANCELED = "canceled"
    DECLINED = "declined"


class Payment(Struct, frozen=True):
    """One payment; amounts are minor units of ``currency``."""

    id: str
    status: Status
    amount: int
    currency: str
    sale: bool
    captured: int = 0
    refunded: int = 0
    expires_at: datetime | None = None


class RuleBrokenError(Exception):
    """The payment does not allow what was asked; ``failure`` is the answer."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.failure = Failure(code, message, retryable=False)


def opened(payment_id: str, card: Card, asked: Instruction, now: datetime, ttl: timedelta) -> Payment:
    """The payment that a first authorization of ``card`` opens."""
    payment = Payment(payment_id, Status.REQUIRES_ACTION, asked.amount, asked.currency, asked.sale)
    if card.failure:
        return replace(payment, status=Status.DECLINED)
    return payment if card.challenged else _approved(payment, now, ttl)


def confirmed(payment: Payment, asked: Instruction, now: datetime, ttl: timedelta) -> Payment:
    """The payment after its payer has acted."""
    _require_status(payment, Status.REQUIRES_ACTION)
    _require_currency(payment, asked)
    if asked.amount != payment.amount:
        raise RuleBrokenError("amount_mismatch", "The amount is not the payment's.")
    return _approved(payment, now, ttl)


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


def _approved(payment: Payment, now: datetime, ttl: timedelta) -> Payment:
    if payment.sale:
        return replace(payment, status=Status.CAPTURED, captured=payment.amount)
    return replace(payment, status=Status.AUTHORIZED, expires_at=now + ttl)


def _require_status(payment: Payment, *allowed: Status) -> None:
    if payment.status not in allowed:
        raise RuleBrokenError("invalid_state", f"The payment is {payment.status}.")


def _require_currency(payment: Payment, asked: Instruction) -> None:
    if asked.currency != payment.currency:
        raise RuleBrokenError("currency_mismatch", f"The payment is in {payment.currency}.")
