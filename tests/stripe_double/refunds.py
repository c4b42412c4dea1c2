"""Refunds as Stripe answers for them, over those of localstripe.

What localstripe lacks and is added here: that no more is refunded than was captured; refunds that are pending
or fail; that the rest of a partial capture is no refund (API version 2025-03-31).
"""

from __future__ import annotations

from tests.stripe_double.answers import Answer, Object, RefusedError, invalid
from tests.stripe_double.payments import Payments
from tests.stripe_double.upstream import Upstream

PATH = "/v1/refunds"


class Refunds:
    """The Refunds of one account."""

    def __init__(self, upstream: Upstream, payments: Payments) -> None:
        self.first_status = "succeeded"
        self._upstream = upstream
        self._payments = payments
        self._statuses: dict[str, tuple[str, str | None]] = {}

    async def create(self, params: Object) -> Answer:
        """Gives money back."""
        payment = await self._payments.shown(params["payment_intent"])
        if payment["status"] != "succeeded":
            return invalid("charge_not_refundable", param="payment_intent")
        refunded = sum(one["amount"] for one in await self.listed(params) if one["status"] != "failed")
        if refunded == payment["amount_received"]:
            return invalid("charge_already_refunded")
        if int(params["amount"]) > payment["amount_received"] - refunded:
            return invalid(None, param="amount")
        data = {"payment_intent": params["payment_intent"], "amount": params["amount"]}
        data |= {f"metadata[{name}]": value for name, value in params.get("metadata", {}).items()}
        made = await self._upstream.post(PATH, data)
        self._statuses[made.body["id"]] = (self.first_status, None)
        return Answer(200, self._dressed(made.body))

    async def shown(self, refund_id: str) -> Object:
        """A refund as Stripe shows it. Raises RefusedError where there is none."""
        return self._dressed(await self._upstream.get(f"{PATH}/{refund_id}"))

    async def listed(self, params: Object) -> list[Object]:
        """A payment's refunds, newest first."""
        payment_id = params.get("payment_intent")
        if payment_id is None:
            raise RefusedError(invalid("parameter_missing", is_kept=False, param="payment_intent"))
        refunds = {
            one["id"]: one for one in await self._upstream.list(PATH) if one["payment_intent"] == payment_id
        }
        # localstripe lists those of one second oldest first, and the seconds newest first.
        return [self._dressed(refunds[one]) for one in reversed(self._statuses) if one in refunds]

    def become(self, refund_id: str, status: str, failure_reason: str | None = None) -> None:
        """Changes a refund, as a bank does."""
        self._statuses[refund_id] = (status, failure_reason)

    def clear(self) -> None:
        """Forgets all of them."""
        self.first_status = "succeeded"
        self._statuses.clear()

    def _dressed(self, refund: Object) -> Object:
        status, failure_reason = self._statuses[refund["id"]]
        return {**refund, "status": status, "failure_reason": failure_reason}
