"""What a payment or a refund as it is now says of an operation."""

from __future__ import annotations

from datetime import UTC, datetime

from payflow.domain import declines as taxonomy
from payflow.domain import psp_outcome as domain
from payflow.domain.psp_outcome import (
    Accepted,
    ActionRequired,
    Approved,
    Declined,
    NotExecuted,
    Outcome,
    Unknown,
)
from payflow.psp.stripe import declines
from payflow.psp.stripe.objects import Payment, Refund, Refusal

SHUT_OUT = NotExecuted(taxonomy.failure("psp_key_shut_out"))

# Cancellations by Stripe itself: docs.stripe.com/api/payment_intents/object, cancellation_reason.
EXPIRED = frozenset({"automatic", "expired"})


def authorization(payment: Payment) -> Outcome:
    """What came of an authorization or a sale; Unknown while Stripe is at it, which is moments for a card."""
    if payment.shuts_out:
        return SHUT_OUT
    match payment.status:
        case "requires_capture" | "succeeded":
            return Approved(payment.id, authorization_expires_at(payment))
        case "requires_action":
            return ActionRequired(payment.id, _next_action(payment))
        case "requires_payment_method" | "canceled":
            return _came_to_nothing(payment)
        case _:
            return _unfinished(payment)


def capture(payment: Payment, amount: int) -> Outcome | None:
    """What came of a capture of ``amount`` (Stripe's units); None while the money waits to be taken."""
    match payment.status:
        case "succeeded" if payment.amount_received == amount:
            return Approved(payment.id)
        case "succeeded":
            return Unknown(f"{payment.amount_received} of {payment.id} was captured, and not {amount}")
        case "processing":
            return _unfinished(payment)
        case "requires_capture":
            return None
        case _:
            return Declined(_closed(payment), payment.id)


def cancellation(payment: Payment) -> Outcome | None:
    """What came of a cancel; None while there is something to cancel."""
    match payment.status:
        case "canceled":
            return Approved(payment.id)
        case "succeeded":
            return Declined(taxonomy.failure("invalid_state", payment.status), payment.id)
        case _:
            return None


def refund(refund: Refund) -> Outcome:
    """What came of a refund; one that waits for a bank may take it days."""
    match refund.status:
        case "succeeded":
            return Approved(refund.id)
        case "failed" | "canceled":
            return Declined(declines.refund_failure(refund.failure_reason), refund.id)
        case _:
            return Accepted(refund.id)


def authorization_expires_at(payment: Payment) -> datetime | None:
    """When an authorization is released, where Stripe says so."""
    details = payment.charge.payment_method_details if payment.charge else None
    card = details.card if details else None
    if payment.status != "requires_capture" or card is None or card.capture_before is None:
        return None
    return datetime.fromtimestamp(card.capture_before, UTC)


def was_declined(payment: Payment) -> Refusal | None:
    """Why the last try to pay failed; None where there was none, or it did not."""
    if payment.last_payment_error is not None:
        return payment.last_payment_error
    charge = payment.charge
    if charge is None or charge.status != "failed":
        return None
    reason = charge.outcome.reason if charge.outcome else None
    return Refusal(code=charge.failure_code, decline_code=reason)


def _came_to_nothing(payment: Payment) -> Outcome:
    refusal = was_declined(payment)
    if refusal is not None:
        return Declined(declines.decline(refusal), payment.id)
    if payment.status == "canceled":
        return Declined(_closed(payment), payment.id)
    return _unfinished(payment)


def _closed(payment: Payment) -> domain.Failure:
    reason = payment.cancellation_reason or payment.status
    return taxonomy.failure("authorization_expired" if reason in EXPIRED else "invalid_state", reason)


def _unfinished(payment: Payment) -> Unknown:
    return Unknown(f"{payment.id} is {payment.status}")


def _next_action(payment: Payment) -> domain.NextAction:
    action = payment.next_action
    if action is None:
        return domain.NextAction("unknown")
    redirect = action.redirect_to_url
    return domain.NextAction(action.type, (redirect.url or "") if redirect else "")
