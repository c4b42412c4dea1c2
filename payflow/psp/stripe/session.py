"""The few requests that PayFlow makes of Stripe, typed.

Each raises stripe.StripeError for what Stripe or the network answers, and msgspec.MsgspecError for an answer
that makes no sense.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import stripe

from payflow.psp.stripe.http_client import DeadlineClient
from payflow.psp.stripe.objects import Page, Payment, Refund, read

if TYPE_CHECKING:
    from stripe.params import (
        PaymentIntentCaptureParams,
        PaymentIntentConfirmParams,
        PaymentIntentCreateParams,
        PaymentIntentListParams,
        RefundCreateParams,
        RefundListParams,
    )

PAGE_MAX = 100
WITH_CHARGE = ["latest_charge"]


class Session:
    """Talks to one Stripe account for the time of one connector call."""

    def __init__(self, api_key: str, base_url: str, http: DeadlineClient) -> None:
        self._http = http
        client = stripe.StripeClient(
            api_key, base_addresses={"api": base_url}, max_network_retries=0, http_client=http
        )
        self._payments = client.v1.payment_intents
        self._refunds = client.v1.refunds

    @property
    def repeated(self) -> bool:
        """Whether a request was sent twice, so that a refusal of the second says nothing of the first."""
        return self._http.repeated

    def create(self, params: PaymentIntentCreateParams, key: str) -> Payment:
        """Makes a payment under the idempotency key."""
        return read(self._payments.create(params, {"idempotency_key": key}), Payment)

    def payment(self, payment_id: str) -> Payment:
        """A payment as it is now."""
        return read(self._payments.retrieve(payment_id, {"expand": WITH_CHARGE}), Payment)

    def confirm(self, payment_id: str, params: PaymentIntentConfirmParams, key: str) -> Payment:
        """Goes on with a payment."""
        return read(self._payments.confirm(payment_id, params, {"idempotency_key": key}), Payment)

    def capture(self, payment_id: str, params: PaymentIntentCaptureParams, key: str) -> Payment:
        """Takes the money that was authorized; what is not taken is released."""
        return read(self._payments.capture(payment_id, params, {"idempotency_key": key}), Payment)

    def cancel(self, payment_id: str, key: str) -> Payment:
        """Cancels a payment for its merchant."""
        answer = self._payments.cancel(
            payment_id,
            {"cancellation_reason": "requested_by_customer", "expand": WITH_CHARGE},
            {"idempotency_key": key},
        )
        return read(answer, Payment)

    def abandon(self, payment_id: str) -> Payment:
        """Cancels a payment that came to nothing; without a key of ours, as to cancel twice does no harm."""
        answer = self._payments.cancel(
            payment_id, {"cancellation_reason": "abandoned", "expand": WITH_CHARGE}
        )
        return read(answer, Payment)

    def page(self, params: PaymentIntentListParams) -> Page[Payment]:
        """Payments, newest first."""
        return read(self._payments.list({**params, "limit": PAGE_MAX}), Page[Payment])

    def create_refund(self, params: RefundCreateParams, key: str) -> Refund:
        """Gives money back."""
        return read(self._refunds.create(params, {"idempotency_key": key}), Refund)

    def refund(self, refund_id: str) -> Refund:
        """A refund as it is now."""
        return read(self._refunds.retrieve(refund_id), Refund)

    def refunds(self, payment_id: str, after: str = "") -> Page[Refund]:
        """A payment's refunds, newest first, behind the one with the id ``after``."""
        params: RefundListParams = {"payment_intent": payment_id, "limit": PAGE_MAX}
        if after:
            params["starting_after"] = after
        return read(self._refunds.list(params), Page[Refund])
