"""What a webhook of Stripe says, which is what Stripe says of its object now.

Stripe delivers events more than once and in any order, each with the object as it was. So the object is
fetched: every event of a payment gives the same notice, the one of the payment's state, whichever comes
first.
"""

from __future__ import annotations

import stripe

from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import Accepted, Approved, Declined, NotExecuted, OperationType, Unknown
from payflow.psp.connector import PspSilentError
from payflow.psp.stripe import refusals, states
from payflow.psp.stripe.amounts import from_stripe
from payflow.psp.stripe.execution import settled
from payflow.psp.stripe.objects import Payment, Refund
from payflow.psp.stripe.session import Session
from payflow.psp.stripe.webhooks import Content

PAYMENT_EVENTS = frozenset(
    {
        "payment_intent.amount_capturable_updated",
        "payment_intent.canceled",
        "payment_intent.payment_failed",
        "payment_intent.requires_action",
        "payment_intent.succeeded",
    }
)
REFUND_EVENTS = frozenset({"charge.refund.updated", "refund.created", "refund.failed", "refund.updated"})


# What has not come to an end says nothing that is not known, and a payment that only shuts out a reference
# never comes to one.
NOT_YET = (Accepted, NotExecuted, Unknown)


def is_of_interest(content: Content) -> bool:
    """Whether an event may say something of a call of ours."""
    return bool(content.reference) and content.type in PAYMENT_EVENTS | REFUND_EVENTS


def notice(session: Session, content: Content) -> Notice | None:
    """What is true now of an event's object; None where that is nothing for PayFlow.

    Raises PspSilentError where Stripe does not say it, ValueError where it has no such object.
    """
    try:
        if content.type in REFUND_EVENTS:
            return _of_refund(session.refund(content.id))
        return _of_payment(session, session.payment(content.id))
    except stripe.InvalidRequestError as error:
        raise ValueError(f"{content.type} of {content.id}: {refusals.detail(error)}") from error
    except refusals.CallError as error:
        raise PspSilentError(refusals.detail(error)) from error


def _of_payment(session: Session, payment: Payment) -> Notice | None:
    if payment.status == "succeeded" and payment.capture_method == "manual":
        return _captured(payment)
    if payment.status == "canceled" and states.was_declined(payment) is None and not payment.shuts_out:
        return Notice(OperationType.CANCEL, Approved(payment.id), psp_payment_id=payment.id)
    outcome = settled(session, payment)
    if isinstance(outcome, NOT_YET):
        return None
    currency = payment.currency.upper()
    return Notice(
        OperationType.AUTHORIZE,
        outcome,
        psp_key=payment.reference,
        psp_payment_id=payment.id,
        amount=from_stripe(payment.amount, currency),
        currency=currency,
    )


def _captured(payment: Payment) -> Notice:
    currency = payment.currency.upper()
    return Notice(
        OperationType.CAPTURE,
        Approved(payment.id),
        psp_payment_id=payment.id,
        amount=from_stripe(payment.amount_received, currency),
        currency=currency,
    )


def _of_refund(refund: Refund) -> Notice | None:
    """A refund that failed may have succeeded before, which it does not say; so it is said of each."""
    outcome = states.refund(refund)
    if isinstance(outcome, NOT_YET):
        return None
    currency = refund.currency.upper()
    return Notice(
        OperationType.REFUND,
        outcome,
        psp_key=refund.reference,
        psp_payment_id=refund.payment_intent or "",
        amount=from_stripe(refund.amount, currency),
        currency=currency,
        after_success=isinstance(outcome, Declined) and refund.status == "failed",
    )
