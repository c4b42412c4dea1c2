"""What an error of Stripe, or of the way there, proves about the call that it answers.

==============================  ======================================================================
no connection was made          NotExecuted: the request cannot have arrived
429, 401, 403                   NotExecuted: these are given before anything is executed
                                (docs.stripe.com/error-low-level), unless the same request had been sent
                                before, over a connection that broke
429 lock_timeout, 409           Unknown: another request is at work on the object, or under the key
400, 404                        refused as a whole: NotExecuted, or Declined for what the payer can mend
402                             Declined
5xx, a broken connection        Unknown, repeatable; not where Stripe says that it would answer the same
a time-out, nonsense            Unknown
==============================  ======================================================================
"""

from __future__ import annotations

import logging
from http import HTTPStatus

import stripe
from msgspec import MsgspecError

from payflow.domain import declines as taxonomy
from payflow.domain.psp_outcome import Declined, NotExecuted, Outcome, Unknown
from payflow.psp.stripe import declines
from payflow.psp.stripe.http_client import NeverSentError, NoReplyError
from payflow.psp.stripe.objects import Refusal, refusal_of

_LOG = logging.getLogger(__name__)

UNREACHABLE = NotExecuted(taxonomy.failure("psp_unreachable"))
OVERLOADED = NotExecuted(taxonomy.failure("psp_overloaded"))
NOT_CONFIGURED = NotExecuted(taxonomy.failure("psp_not_configured"))
INVALID_AMOUNT = NotExecuted(taxonomy.failure("invalid_amount"))
NOT_SUPPORTED = NotExecuted(taxonomy.failure("not_supported"))
INVALID_METHOD = "invalid_payment_method"


class TooManyError(Exception):
    """There is more to look through than is looked through, so nothing is known of what was not found."""


CallError = (stripe.StripeError, MsgspecError, TooManyError)
TURNED_AWAY = (stripe.RateLimitError, stripe.AuthenticationError, stripe.PermissionError, NeverSentError)


def outcome_of(error: Exception, repeated: bool) -> Outcome:
    """What one of CallError says of the call; ``repeated``: its request may have arrived before."""
    outcome = _outcome_of(error)
    if repeated and isinstance(error, TURNED_AWAY):
        return Unknown(f"turned away, but sent before: {detail(error)}")
    return outcome


def told(error: Exception) -> Unknown:
    """What one of CallError says of another call: nothing."""
    return Unknown(detail(error), is_quick(error))


def refusal(error: Exception) -> Refusal:
    """The error object of an answer; an empty one where there is none."""
    return refusal_of(error.json_body) if isinstance(error, stripe.StripeError) else Refusal()


def detail(error: Exception) -> str:
    """For logs: class, status, code and the request's id. Not the message, which may quote a key."""
    if not isinstance(error, stripe.StripeError):
        return f"{type(error).__name__}: {error}"
    said = refusal(error)
    parts = (error.http_status, said.type, said.code, said.param, error.request_id)
    return " ".join([type(error).__name__, *(str(part) for part in parts if part)])


def header(error: stripe.StripeError, name: str) -> str:
    """A header of the answer, by its name in lower case; empty where there is none."""
    return (error.headers or {}).get(name, "")


def is_quick(error: Exception) -> bool:
    """Whether the same request may be sent again at once, and may be answered otherwise."""
    if isinstance(error, NoReplyError):
        return error.broken
    if not isinstance(error, stripe.StripeError) or header(error, "stripe-should-retry") == "false":
        return False
    status = error.http_status or 0
    return status in (HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS) or status >= 500


def _outcome_of(error: Exception) -> Outcome:
    said = refusal(error)
    match error:
        case NeverSentError():
            return UNREACHABLE
        case stripe.RateLimitError() if said.code != "lock_timeout":
            return OVERLOADED
        case stripe.AuthenticationError() | stripe.PermissionError():
            _LOG.error("Stripe refuses the API key: %s", detail(error))
            return NOT_CONFIGURED
        case stripe.CardError():
            return Declined(declines.decline(said))
        case stripe.InvalidRequestError() if said.param == "payment_method":
            return Declined(taxonomy.failure(INVALID_METHOD, said.code or ""))
        case stripe.InvalidRequestError():
            _LOG.error("Stripe refused a request: %s", detail(error))
            return NotExecuted(declines.refusal_failure(said))
        case _:
            return told(error)
