"""What Adyen is asked: one request a call, with the call's key as its reference and its Idempotency-Key."""

from __future__ import annotations

from payflow.domain import declines
from payflow.domain.psp_outcome import Approved, Declined, NotExecuted, OperationType
from payflow.psp.adyen.checkout import Endpoint, Request
from payflow.psp.adyen.currencies import CURRENCIES, to_adyen
from payflow.psp.adyen.payment_methods import additional_data, payment_fields
from payflow.psp.connector import PspCall

# Adyen wants a payer to come back somewhere, even where nobody will be sent away. RFC 2606 keeps it unused.
NO_RETURN_URL = "https://payflow.invalid/returned"

_MODIFICATIONS = {OperationType.CAPTURE: Endpoint.CAPTURES, OperationType.REFUND: Endpoint.REFUNDS}


def request_for(call: PspCall, merchant_account: str) -> Request | Approved | Declined | NotExecuted:
    """The request, or the outcome where there is nothing that could be sent."""
    if call.operation is OperationType.CANCEL:
        return _cancel(call, merchant_account)
    if call.operation is OperationType.AUTHORIZE and call.psp_payment_id:
        return _details(call)
    if call.currency not in CURRENCIES:
        return NotExecuted(declines.failure("not_supported"))
    value = to_adyen(call.amount, call.currency)
    if value is None:
        return NotExecuted(declines.failure("invalid_amount"))
    if call.operation is OperationType.AUTHORIZE:
        return _payment(call, merchant_account, value)
    return _modification(call, merchant_account, value)


def technical_cancel_for(call: PspCall, merchant_account: str) -> Request:
    """Cancels whatever was authorized under the call's key.

    Its own reference is that key as well: whichever of the two references the webhook repeats, it names
    the call. Only its Idempotency-Key has to be another.
    """
    body = {
        "merchantAccount": merchant_account,
        "paymentReference": call.psp_key,
        "reference": call.psp_key,
    }
    return Request(Endpoint.TECHNICAL_CANCELS, body, f"{call.psp_key}-cancel")


def _payment(call: PspCall, merchant_account: str, value: int) -> Request | Declined:
    paid_with = payment_fields(call)
    if paid_with is None:
        return Declined(declines.failure("invalid_payment_method"))
    body: dict[str, object] = {
        "merchantAccount": merchant_account,
        "reference": call.psp_key,
        "amount": {"value": value, "currency": call.currency},
        "returnUrl": call.return_url or NO_RETURN_URL,
        "channel": "Web",
        # A payer who has to act is sent to a page of Adyen's and comes back with a redirectResult.
        "authenticationData": {"threeDSRequestData": {"nativeThreeDS": "disabled"}},
        "redirectToIssuerMethod": "GET",
        "redirectFromIssuerMethod": "GET",
    }
    # Whatever the merchant account's own capture setting is.
    if call.sale:
        body["captureDelayHours"] = 0
    if additional := additional_data(call):
        body["additionalData"] = additional
    if call.country:
        body["countryCode"] = call.country
    return Request(Endpoint.PAYMENTS, body | paid_with, call.psp_key)


def _details(call: PspCall) -> Request | NotExecuted:
    """The rest of a payment whose payer has acted."""
    if not call.action_result:
        return NotExecuted(declines.failure("authentication_required"))
    body = {"details": {"redirectResult": call.action_result}}
    return Request(Endpoint.DETAILS, body, call.psp_key)


def _cancel(call: PspCall, merchant_account: str) -> Request | Approved:
    """Adyen cancels what it has authorized, and nothing else.

    It authorizes a payment that waits for its payer when it is asked by /payments/details, and only PayFlow
    could ask that, so that such a payment has come to its end as soon as PayFlow will not.
    """
    if call.awaits_payer:
        return Approved("")
    body = {"merchantAccount": merchant_account, "reference": call.psp_key}
    return Request(Endpoint.CANCELS, body, call.psp_key, call.psp_payment_id)


def _modification(call: PspCall, merchant_account: str, value: int) -> Request:
    body = {
        "merchantAccount": merchant_account,
        "reference": call.psp_key,
        "amount": {"value": value, "currency": call.currency},
    }
    return Request(_MODIFICATIONS[call.operation], body, call.psp_key, call.psp_payment_id)
