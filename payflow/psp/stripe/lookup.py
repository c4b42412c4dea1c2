"""What became of a call, from what Stripe shows at once: retrievals and lists, never its search.

Lists show what was just written, search only after a while: docs.stripe.com/search#data-freshness.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from payflow.domain.psp_outcome import OperationType, Outcome
from payflow.psp.connector import PspCall
from payflow.psp.stripe import states
from payflow.psp.stripe.execution import settled
from payflow.psp.stripe.objects import Payment, Refund
from payflow.psp.stripe.refusals import TooManyError
from payflow.psp.stripe.session import Session

if TYPE_CHECKING:
    from stripe.params import PaymentIntentListParams

PAGES_MAX = 20

# How far Stripe's clock may be from ours, and how long after it was asked a payment is mostly made.
SKEW = timedelta(minutes=5)


def look_up(session: Session, call: PspCall, amount: int) -> Outcome | None:
    """What became of the call's ``psp_key``; None where Stripe has not seen it.

    ``amount`` is in Stripe's units. Raises one of refusals.CallError.
    """
    return came_of(session, call, amount, find(session, call))


def find(session: Session, call: PspCall) -> Payment | Refund | None:
    """The call's refund, or its payment, as it is now. Raises one of refusals.CallError."""
    if call.operation is OperationType.REFUND:
        return _find_refund(session, call)
    if call.psp_payment_id:
        return session.payment(call.psp_payment_id)
    found = _find_payment(session, call)
    return None if found is None else session.payment(found.id)


def came_of(session: Session, call: PspCall, amount: int, found: Payment | Refund | None) -> Outcome | None:
    """What was found says of the call. Raises one of refusals.CallError."""
    match found:
        case None:
            return None
        case Refund():
            return states.refund(found)
        case Payment() if call.operation is OperationType.CAPTURE:
            return states.capture(found, amount)
        case Payment() if call.operation is OperationType.CANCEL:
            return states.cancellation(found)
        case Payment():
            return settled(session, found)


def _find_payment(session: Session, call: PspCall) -> Payment | None:
    """The payment with the call's reference; one that only shuts it out where there is no other."""
    shuts_out = None
    for payment in _payments(session, call):
        if payment.reference == call.psp_key and not payment.shuts_out:
            return payment
        if payment.reference == call.psp_key:
            shuts_out = payment
    return shuts_out


def _payments(session: Session, call: PspCall) -> Iterator[Payment]:
    for window in windows(call.asked_at):
        params: PaymentIntentListParams = window
        for _ in range(PAGES_MAX):
            page = session.page(params)
            yield from page.data
            if not page.has_more:
                break
            params = {**window, "starting_after": page.data[-1].id}
        else:
            raise TooManyError("payments made since then")


def windows(asked_at: datetime | None) -> list[PaymentIntentListParams]:
    """First around the time it was asked, where it nearly always is; then everything since."""
    if asked_at is None:
        return [{}]
    since, soon = (int(moment.timestamp()) for moment in (asked_at - SKEW, asked_at + SKEW))
    return [{"created": {"gte": since, "lte": soon}}, {"created": {"gt": soon}}]


def _find_refund(session: Session, call: PspCall) -> Refund | None:
    after = ""
    for _ in range(PAGES_MAX):
        page = session.refunds(call.psp_payment_id, after)
        for refund in page.data:
            if refund.reference == call.psp_key:
                return refund
        if not page.has_more:
            return None
        after = page.data[-1].id
    raise TooManyError("refunds of the payment")
