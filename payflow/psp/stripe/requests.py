"""What PayFlow asks of Stripe for each call; every repeat of a call makes an equal request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from payflow.psp.connector import PspCall
from payflow.psp.stripe.capabilities import PAYMENT_METHOD_TYPES
from payflow.psp.stripe.objects import MERCHANT, REFERENCE, SHUT_OUT

if TYPE_CHECKING:
    from stripe.params import (
        PaymentIntentCaptureParams,
        PaymentIntentConfirmParams,
        PaymentIntentCreateParams,
        RefundCreateParams,
    )

# Above every currency's smallest charge and below Stripe's largest (99,999,999), a multiple of 100. Nobody is
# ever asked to pay it.
SHUT_OUT_AMOUNT = 9_999_900


def authorization(call: PspCall, amount: int) -> PaymentIntentCreateParams:
    """A PaymentIntent that is confirmed at once.

    It allows one type of payment method instead of all that the Dashboard enables, so that none is among
    them that always redirects. A payer who can come back (``return_url``) may be sent to authenticate;
    without one a payment that needs the payer is declined (``error_on_requires_action``).
    """
    params: PaymentIntentCreateParams = {
        "amount": amount,
        "currency": call.currency.lower(),
        "capture_method": "automatic" if call.sale else "manual",
        "confirm": True,
        "payment_method": call.payment_method,
        "allowed_payment_method_types": [PAYMENT_METHOD_TYPES.get(call.payment_method_type, "card")],
        "metadata": _metadata(call),
        "expand": ["latest_charge"],
    }
    if call.return_url:
        params["return_url"] = call.return_url
    else:
        params["error_on_requires_action"] = True
    return params


def confirmation(call: PspCall) -> PaymentIntentConfirmParams:
    """Goes on with a payment that was left unconfirmed."""
    if call.return_url:
        return {"return_url": call.return_url, "expand": ["latest_charge"]}
    return {"error_on_requires_action": True, "expand": ["latest_charge"]}


def capture(amount: int) -> PaymentIntentCaptureParams:
    """Takes ``amount`` and releases the rest."""
    return {"amount_to_capture": amount, "expand": ["latest_charge"]}


def refund(call: PspCall, amount: int) -> RefundCreateParams:
    """Gives ``amount`` back."""
    return {"payment_intent": call.psp_payment_id, "amount": amount, "metadata": _metadata(call)}


def shut_out(call: PspCall) -> PaymentIntentCreateParams:
    """A PaymentIntent that nobody confirms, only to take the call's key for good."""
    return {
        "amount": SHUT_OUT_AMOUNT,
        "currency": call.currency.lower(),
        "allowed_payment_method_types": ["card"],
        "description": "PayFlow shut a reference out; nothing is paid here",
        "metadata": _metadata(call) | {SHUT_OUT: call.operation.value},
    }


def _metadata(call: PspCall) -> dict[str, str]:
    return {REFERENCE: call.psp_key, MERCHANT: call.merchant_id}
