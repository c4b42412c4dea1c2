"""Shuts a reference out at Stripe by taking its idempotency key for something harmless.

Stripe keeps the first request of a key for 24 hours at least and answers every other request with that key
with an ``idempotency_error`` (docs.stripe.com/api/idempotent_requests). So whoever is first has the key:

- The key is ours: the call cannot have begun, and when it arrives later, however late on its way, it is
  refused. Within the window that proves it. Later Stripe may have forgotten a key under which the call was
  executed, so the payment is looked for as well; and nothing that was sent a day ago is still on its way.
- ``idempotency_error``: the call has the key, or an earlier release's form of it. What it made is looked
  for. Where nothing is found it may still be at work, as Stripe does not say what it compares first, so it
  is sent once more: with the key taken this executes nothing, but is answered with what is kept, or with
  409 while it is at work. Only within the window, because a forgotten key would execute it anew.
- 409: a request with the key is at work. Nothing is known yet.
- A 5xx that Stripe marks as a replay is our own request's, which failed and has the key all the same.

Two who shut the same reference out send equal requests: one takes the key, the other is answered the same.

What this rests on: a request to another endpoint is an ``idempotency_error``, too
(docs.stripe.com/api/errors); lists show what has been answered (docs.stripe.com/search#data-freshness);
PayFlow's and Stripe's clocks are less than five minutes apart; the account's API key is still one of the
same Stripe account.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import stripe

from payflow.domain.psp_outcome import Accepted, OperationType, Outcome, Unknown
from payflow.psp.connector import PspCall
from payflow.psp.stripe import refusals, requests, states
from payflow.psp.stripe.capabilities import KEY_WINDOW_S
from payflow.psp.stripe.execution import OPEN, TurnedAwayError, carry_out, closed
from payflow.psp.stripe.lookup import SKEW, came_of, find
from payflow.psp.stripe.objects import Payment
from payflow.psp.stripe.refusals import CallError
from payflow.psp.stripe.session import Session

_LOG = logging.getLogger(__name__)


def shut_out(session: Session, call: PspCall, amount: int, now: datetime) -> Outcome:
    """NotExecuted where the call's key is shut out for good; otherwise what came of the call.

    ``amount`` is in Stripe's units. Raises one of CallError where that is not known yet.
    """
    outcome = _shut_out(session, call, amount, now)
    # Accepted would say that the call is being canceled, and what Stripe has taken in is the call itself.
    return Unknown("Stripe has it and is at it") if isinstance(outcome, Accepted) else outcome


def _shut_out(session: Session, call: PspCall, amount: int, now: datetime) -> Outcome:
    in_window = call.asked_at is not None and now < call.asked_at + timedelta(seconds=KEY_WINDOW_S) - SKEW
    is_ours = _takes_key(session, call)
    makes_payment = call.operation is OperationType.AUTHORIZE and not call.psp_payment_id
    if is_ours and in_window and makes_payment:
        return states.SHUT_OUT
    found = _found(session, call, amount)
    if found is not None:
        return found
    if is_ours:
        return states.SHUT_OUT
    return _asked_again(session, call, amount) if in_window else Unknown("the key is taken, but for nothing")


def _found(session: Session, call: PspCall, amount: int) -> Outcome | None:
    """What look_up says; a payment that was made and never confirmed is closed, so that it never is."""
    found = find(session, call)
    outcome = came_of(session, call, amount, found)
    if isinstance(found, Payment) and isinstance(outcome, Unknown) and found.status in OPEN:
        return closed(session, found, states.SHUT_OUT)
    return outcome


def _takes_key(session: Session, call: PspCall) -> bool:
    """Whether the call's key is kept for our own harmless request, from now on or already."""
    try:
        payment = session.create(requests.shut_out(call), call.psp_key)
    except stripe.IdempotencyError:
        return False
    except stripe.APIError as error:
        if refusals.header(error, "idempotent-replayed") != "true":
            raise
        return True
    try:
        closed(session, payment, states.SHUT_OUT)
    except CallError as error:
        _LOG.warning(
            "%s, which only shuts a reference out, is left open: %s", payment.id, refusals.detail(error)
        )
    return True


def _asked_again(session: Session, call: PspCall, amount: int) -> Outcome:
    try:
        return carry_out(session, call, amount)
    except TurnedAwayError as turned_away:
        return Unknown(f"the key is taken, and asking what for: {turned_away.outcome}")
