"""What is asked of payments that exist, and what happens to them afterwards.

Every modification is taken in; a webhook tells what became of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.adyen_double import payments
from tests.adyen_double.answers import NO_SUCH_PAYMENT, Answer
from tests.adyen_double.journal import Journal
from tests.adyen_double.payments import Payment, RuleBrokenError
from tests.adyen_double.store import Modification

Change = Callable[[Payment], Payment]

_MOVED = {
    "CAPTURE": "CAPTURED",
    "REFUND": "REFUNDED",
    "CANCELLATION": "CANCELLED",
    "TECHNICAL_CANCEL": "CANCELLED",
}
_FAILED_LATER = {
    "CAPTURE_FAILED": ("CAPTURE", payments.capture_failed),
    "REFUND_FAILED": ("REFUND", payments.refund_failed),
    "REFUNDED_REVERSED": ("REFUND", payments.refund_failed),
}


class Modifying:
    """Captures, cancels, refunds, technical cancels; and what schemes and time do later."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def capture(self, psp_reference: str, asked: Mapping[str, Any]) -> Answer:
        """Takes a capture in."""
        value, currency = asked["amount"]["value"], asked["amount"]["currency"]
        return self._take_in(
            "CAPTURE", psp_reference, asked, lambda payment: payments.captured(payment, value, currency)
        )

    def refund(self, psp_reference: str, asked: Mapping[str, Any]) -> Answer:
        """Takes a refund in."""
        value, currency = asked["amount"]["value"], asked["amount"]["currency"]
        return self._take_in(
            "REFUND", psp_reference, asked, lambda payment: payments.refunded(payment, value, currency)
        )

    def cancel(self, psp_reference: str, asked: Mapping[str, Any]) -> Answer:
        """Takes a cancel in."""
        return self._take_in("CANCELLATION", psp_reference, asked, payments.cancelled)

    def technical_cancel(self, asked: Mapping[str, Any]) -> Answer:
        """Takes a cancel in of whatever has the reference; nothing may be there yet, or ever."""
        found = self._journal.store.payments_under(asked["paymentReference"])
        payment = found[0] if found else None
        modification = self._finish("TECHNICAL_CANCEL", payment, asked, payments.cancelled)
        return self._received(modification, {"paymentReference": asked["paymentReference"]})

    def fail_later(self, psp_reference: str, event_code: str) -> bool:
        """Rejects a capture or refund that had succeeded; whether there is one that this can happen to."""
        modification = self._journal.store.modification(psp_reference)
        of_kind, undo = _FAILED_LATER[event_code]
        if modification is None or not modification.succeeded or modification.event_code != of_kind:
            return False
        payment = self._journal.store.payment(modification.payment)
        assert payment is not None
        self._journal.store.put_payment(undo(payment, modification.value))
        self._journal.modification_moved(event_code, modification)
        self._journal.tell_of_modification(event_code, modification)
        return True

    def expire(self, psp_reference: str) -> bool:
        """Lets an authorisation run out; whether there is one."""
        payment = self._journal.store.payment(psp_reference)
        if payment is None or not payments.is_open(payment):
            return False
        expired = payments.expired(payment)
        self._journal.store.put_payment(expired)
        self._journal.payment_moved("EXPIRED", expired, expired.value)
        self._journal.tell_of_payment("EXPIRE", expired)
        return True

    def _take_in(
        self, event_code: str, psp_reference: str, asked: Mapping[str, Any], change: Change
    ) -> Answer:
        payment = self._journal.store.payment(psp_reference)
        if payment is None:
            return NO_SUCH_PAYMENT
        modification = self._finish(event_code, payment, asked, change)
        named = {"paymentPspReference": psp_reference}
        return self._received(modification, named | {key: asked[key] for key in ("amount",) if key in asked})

    def _finish(
        self, event_code: str, payment: Payment | None, asked: Mapping[str, Any], change: Change
    ) -> Modification:
        """Does at once what will be told later."""
        reason = self._change(payment, change)
        amount = asked.get("amount") or _whole(payment)
        modification = Modification(
            psp_reference=self._journal.new_id(),
            payment=payment.psp_reference if payment else "",
            event_code=event_code,
            reference=asked.get("reference", ""),
            value=amount["value"],
            currency=amount["currency"],
            succeeded=not reason,
        )
        self._journal.store.put_modification(modification)
        if modification.succeeded:
            self._journal.modification_moved(_MOVED[event_code], modification)
        self._journal.tell_of_modification(event_code, modification, modification.succeeded, reason)
        return modification

    def _change(self, payment: Payment | None, change: Change) -> str:
        """Why it could not be done; empty when it was."""
        if payment is None:
            return "Original transaction not found"
        try:
            self._journal.store.put_payment(change(payment))
        except RuleBrokenError as broken:
            return str(broken)
        return ""

    def _received(self, modification: Modification, named: Mapping[str, object]) -> Answer:
        body = {
            "merchantAccount": self._journal.merchant_account,
            "pspReference": modification.psp_reference,
            "reference": modification.reference,
            "status": "received",
        }
        return Answer(201, {**body, **named})


def _whole(payment: Payment | None) -> dict[str, Any]:
    return {"value": payment.value if payment else 0, "currency": payment.currency if payment else "EUR"}
