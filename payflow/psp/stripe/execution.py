"""Carries a call out at Stripe and says what came of it.

A PaymentIntent whose confirmation failed waits for another payment method. Whoever holds its client secret,
which Stripe gives to the payer's browser on a redirect, could still pay with it. So a decline is only told
once that PaymentIntent is canceled: nothing can succeed on it any more.
"""

from __future__ import annotations

from dataclasses import replace

import stripe

from payflow.domain.psp_outcome import Declined, NotExecuted, OperationType, Outcome, Unknown
from payflow.psp.connector import PspCall
from payflow.psp.stripe import refusals, requests, states
from payflow.psp.stripe.objects import Payment, Refund
from payflow.psp.stripe.session import Session

OPEN = frozenset({"requires_payment_method", "requires_confirmation"})


class TurnedAwayError(Exception):
    """The call's own request was turned away at the door; ``outcome`` says how."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


def execute(session: Session, call: PspCall, amount: int) -> Outcome:
    """Asks for the call once; ``amount`` is in Stripe's units.

    Raises stripe.IdempotencyError where the key was used for another request, and another of
    refusals.CallError where Stripe does not say what came of the call.
    """
    try:
        return carry_out(session, call, amount)
    except TurnedAwayError as turned_away:
        return turned_away.outcome


def carry_out(session: Session, call: PspCall, amount: int) -> Outcome:
    """The same, but raises TurnedAwayError, too.

    Only the request that has the call's key can prove that nothing was executed under it. Of any other, such
    as the one that closes a payment, a refusal proves nothing.
    """
    if call.operation is OperationType.AUTHORIZE and call.psp_payment_id:
        payment = session.payment(call.psp_payment_id)
        if payment.status != "requires_confirmation":
            return settled(session, payment)
    try:
        made = _asked(session, call, amount)
    except refusals.TURNED_AWAY as error:
        raise TurnedAwayError(refusals.outcome_of(error, session.repeated)) from error
    except (stripe.CardError, stripe.InvalidRequestError) as error:
        return _refused(session, call, amount, error)
    return _came_of(session, call, amount, made)


def settled(session: Session, payment: Payment) -> Outcome:
    """What came of an authorization; one that failed is closed first. Raises one of refusals.CallError."""
    outcome = states.authorization(payment)
    if isinstance(outcome, Declined) and payment.status in OPEN:
        return closed(session, payment, outcome)
    return outcome


def closed(session: Session, payment: Payment, outcome: Outcome) -> Outcome:
    """``outcome``, once nothing can succeed on the payment any more; what became of it where it is too late.

    Raises one of refusals.CallError.
    """
    try:
        now = session.abandon(payment.id)
    except stripe.InvalidRequestError:
        now = session.payment(payment.id)
    if now.status == "canceled":
        return outcome
    return Unknown(f"{now.id} cannot be closed") if now.status in OPEN else states.authorization(now)


def _asked(session: Session, call: PspCall, amount: int) -> Payment | Refund:
    match call.operation:
        case OperationType.AUTHORIZE if call.psp_payment_id:
            return session.confirm(call.psp_payment_id, requests.confirmation(call), call.psp_key)
        case OperationType.AUTHORIZE:
            return session.create(requests.authorization(call, amount), call.psp_key)
        case OperationType.CAPTURE:
            return session.capture(call.psp_payment_id, requests.capture(amount), call.psp_key)
        case OperationType.CANCEL:
            return session.cancel(call.psp_payment_id, call.psp_key)
        case OperationType.REFUND:
            return session.create_refund(requests.refund(call, amount), call.psp_key)


def _came_of(session: Session, call: PspCall, amount: int, made: Payment | Refund) -> Outcome:
    if isinstance(made, Refund):
        return states.refund(made)
    match call.operation:
        case OperationType.CAPTURE:
            return states.capture(made, amount) or Unknown(f"{made.id} is not captured")
        case OperationType.CANCEL:
            return states.cancellation(made) or Unknown(f"{made.id} is not canceled")
        case _:
            return settled(session, made)


def _refused(session: Session, call: PspCall, amount: int, error: stripe.StripeError) -> Outcome:
    """The refusal in the domain's words, unless the payment itself says more."""
    outcome = refusals.outcome_of(error, session.repeated)
    payment = refusals.refusal(error).payment_intent
    if isinstance(outcome, Declined) and payment is not None:
        outcome = replace(outcome, psp_id=payment.id)
    match call.operation:
        case OperationType.AUTHORIZE if payment is not None and payment.status in OPEN:
            return closed(session, payment, outcome)
        case OperationType.AUTHORIZE if payment is not None:
            return states.authorization(payment)
        case OperationType.CAPTURE if isinstance(outcome, NotExecuted):
            return states.capture(payment or session.payment(call.psp_payment_id), amount) or outcome
        case OperationType.CANCEL if isinstance(outcome, NotExecuted):
            return states.cancellation(payment or session.payment(call.psp_payment_id)) or outcome
        case _:
            return outcome
