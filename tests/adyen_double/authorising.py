"""Payments up to their authorisation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.adyen_double import payments
from tests.adyen_double.answers import INVALID_PAYLOAD, Answer
from tests.adyen_double.cards import UnusableError, Verdict, verdict
from tests.adyen_double.journal import Journal
from tests.adyen_double.payments import Payment, Status

PASSED, FAILED = "passed", "failed"
_NOT_AUTHENTICATED = Verdict("Refused", "11")
_DECLINED = Verdict("Refused", "2")
_AUTHORISED = Verdict("Authorised")


class Authorising:
    """/payments and /payments/details; the webhook of an authorisation tells the same as the answer.

    One that is ``terse`` answers no more about a challenged payment than some of Adyen's examples do: no
    pspReference before its payer has acted, and no merchantReference or amount afterwards.
    """

    def __init__(self, journal: Journal, terse: bool = False) -> None:
        self._journal = journal
        self._terse = terse

    def pay(self, asked: Mapping[str, Any], page_url: Callable[[str], str]) -> Answer:
        """Opens a payment; ``page_url`` is where the payer of a challenged one is sent."""
        try:
            reached = verdict(asked)
        except UnusableError as unusable:
            return unusable.answer
        payment = Payment(
            psp_reference=self._journal.new_id(),
            reference=asked["reference"],
            value=asked["amount"]["value"],
            currency=asked["amount"]["currency"],
            status=Status.AWAITING,
            sale=asked.get("additionalData", {}).get("manualCapture") != "true",
            return_url=asked["returnUrl"],
        )
        if reached.result_code != "RedirectShopper":
            return self._conclude(payment, reached)
        self._journal.store.put_payment(payment)
        action = {"type": "redirect", "method": "GET", "url": page_url(payment.psp_reference)}
        named = {} if self._terse else {"pspReference": payment.psp_reference}
        return Answer(200, {**named, "resultCode": reached.result_code, "action": action})

    def go_on(self, asked: Mapping[str, Any]) -> Answer:
        """Goes on with a payment whose payer has come back with what its page gave them."""
        psp_reference, _, result = str(asked["details"].get("redirectResult", "")).partition("!")
        payment = self._awaiting(psp_reference)
        if payment is None:
            return INVALID_PAYLOAD
        answer = self._conclude(payment, _AUTHORISED if result == PASSED else _NOT_AUTHENTICATED)
        left_out = {"merchantReference", "amount"} if self._terse else ()
        return Answer(200, {name: value for name, value in answer.body.items() if name not in left_out})

    def decide(self, psp_reference: str, approved: bool) -> bool:
        """Decides what was only received; whether there is such a payment."""
        payment = self._awaiting(psp_reference)
        if payment is None:
            return False
        self._conclude(payment, _AUTHORISED if approved else _DECLINED)
        return True

    def return_url(self, psp_reference: str) -> str | None:
        """Where the payer of a payment is to be sent back to."""
        payment = self._journal.store.payment(psp_reference)
        return payment.return_url if payment else None

    def _awaiting(self, psp_reference: str) -> Payment | None:
        payment = self._journal.store.payment(psp_reference)
        return payment if payment and payment.status is Status.AWAITING else None

    def _conclude(self, payment: Payment, reached: Verdict) -> Answer:
        body: dict[str, object] = {
            "pspReference": payment.psp_reference,
            "resultCode": reached.result_code,
            "merchantReference": payment.reference,
            "amount": {"value": payment.value, "currency": payment.currency},
        }
        match reached.result_code:
            case "Authorised":
                self._authorise(payment)
            case "Received":
                self._journal.store.put_payment(payment)
            case _:
                body |= {"refusalReason": "As asked for", "refusalReasonCode": reached.refusal_code}
                self._journal.store.put_payment(payments.refused(payment))
                self._journal.tell_of_payment("AUTHORISATION", payment, success=False)
        return Answer(200, body)

    def _authorise(self, payment: Payment) -> None:
        authorised = payments.authorised(payment)
        self._journal.store.put_payment(authorised)
        self._journal.payment_moved("AUTHORISED", authorised, authorised.value)
        if authorised.captured:
            self._journal.payment_moved("CAPTURED", authorised, authorised.captured)
        self._journal.tell_of_payment("AUTHORISATION", authorised)
