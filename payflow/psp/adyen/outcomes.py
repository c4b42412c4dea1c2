"""What an answer of Adyen's means for the call that it answers."""

from __future__ import annotations

import logging
from typing import Annotated, Literal

import msgspec

from payflow.domain import declines
from payflow.domain.psp_outcome import (
    Accepted,
    ActionRequired,
    Approved,
    Declined,
    NextAction,
    NotExecuted,
    OperationType,
    Outcome,
    Unknown,
)
from payflow.domain.webhook import intent_of, is_psp_key
from payflow.psp.adyen import refusals
from payflow.psp.adyen.checkout import Answer, Problem, Success
from payflow.psp.adyen.currencies import from_adyen
from payflow.psp.connector import PspCall
from payflow.psp.transport import NeverSent, NoReply

_LOG = logging.getLogger(__name__)

# "Request already processed or in progress": an earlier request with the key has not been answered yet.
IN_PROGRESS = "704"
NOT_CONFIGURED_TYPES = ("configuration", "security")
# Errors of these types are no fault of Adyen's own even with the status 500, as 905 has it ("Payment details
# are not supported"): generic-500 in https://github.com/Adyen/adyen-openapi, CheckoutService-v71.
FINAL_TYPES = ("validation", *NOT_CONFIGURED_TYPES)

# Where Adyen is done with what the payer brought back, so that a webhook tells what came of it.
CONCLUDED = frozenset({"Authorised", "Refused", "Error", "Cancelled", "Received", "Pending"})


class _Amount(msgspec.Struct, frozen=True):
    value: int
    currency: str


class _Action(msgspec.Struct, frozen=True):
    type: str
    url: str = ""


class _Payment(msgspec.Struct, frozen=True, rename="camel"):
    """An answer to /payments and /payments/details."""

    result_code: str
    psp_reference: str = ""
    merchant_reference: str = ""
    refusal_reason_code: str = ""
    amount: _Amount | None = None
    action: _Action | None = None


class _Modification(msgspec.Struct, frozen=True, rename="camel"):
    """An answer to a capture, a cancel or a refund."""

    status: Literal["received"]
    psp_reference: Annotated[str, msgspec.Meta(min_length=1)]


def outcome_of(call: PspCall, answer: Answer) -> Outcome:
    """What became of the call; what is not an answer of Adyen's means nothing at all."""
    if not isinstance(answer, Success):
        return _with_its_authorization_kept(call, _not_taken(answer))
    try:
        if call.operation is OperationType.AUTHORIZE:
            return _paid(call, msgspec.convert(answer.message, _Payment))
        return _taken_in(answer)
    except msgspec.ValidationError as error:
        return Unknown(f"an answer that makes no sense: {error}")


def cancellation_of(answer: Answer) -> Accepted | Unknown:
    """What became of a technical cancel; that it was not taken says nothing of the call it would cancel."""
    if not isinstance(answer, Success):
        return Unknown("the technical cancel was not taken")
    try:
        return _taken_in(answer)
    except msgspec.ValidationError as error:
        return Unknown(f"an answer that makes no sense: {error}")


def _taken_in(answer: Success) -> Accepted:
    return Accepted(msgspec.convert(answer.message, _Modification).psp_reference)


def _not_taken(answer: Problem | NeverSent | NoReply) -> Outcome:
    match answer:
        case NeverSent():
            return NotExecuted(declines.failure("psp_unreachable"))
        case NoReply(detail=detail, broken=broken):
            return Unknown(detail, repeatable=broken)
        case Problem():
            return _refused(answer)


def _with_its_authorization_kept(call: PspCall, outcome: Outcome) -> Outcome:
    """A capture that is refused was not executed; the authorization is as good as it was.

    That it cannot be captured is told by webhook, of a capture that had been taken in.
    """
    if call.operation is OperationType.CAPTURE and isinstance(outcome, Declined):
        return NotExecuted(outcome.failure)
    return outcome


def _refused(problem: Problem) -> Outcome:
    """What an error proves. Adyen checks a request before it executes any of it.

    A 429 turned the request away at the door. What is transient, still in progress or a fault of
    Adyen's own proves nothing, and the same key may be sent again at once: Adyen executes it at most
    once. Other errors are Adyen's only if they carry its errorCode.
    """
    code, status = problem.error_code, problem.status
    if status == 429:
        return NotExecuted(declines.failure("psp_overloaded", code))
    if problem.transient or code == IN_PROGRESS or status == 409 or _is_internal(problem):
        return Unknown(str(problem), repeatable=True)
    if not code or status not in (400, 401, 403, 422, 500):
        return Unknown(str(problem))
    if declined := refusals.error(code):
        return Declined(declined)
    _LOG.error("Adyen refused a request: %s", problem)
    if status in (401, 403) or problem.error_type in NOT_CONFIGURED_TYPES:
        return NotExecuted(declines.failure("psp_not_configured", code))
    return NotExecuted(declines.failure("psp_refused_request", code))


def _is_internal(problem: Problem) -> bool:
    if problem.status == 500 and problem.error_code:
        return problem.error_type not in FINAL_TYPES
    return problem.status >= 500 or problem.error_type == "internal"


def _paid(call: PspCall, payment: _Payment) -> Outcome:
    match payment.result_code:
        case _ if _is_nameless(call, payment):
            return _told_later(payment)
        case _ if not _is_about(call, payment):
            return _about_another(call, payment)
        case "Authorised" if payment.psp_reference:
            return _approved(call, payment)
        case "RedirectShopper" | "ChallengeShopper" | "IdentifyShopper":
            return _action_required(call, payment)
        case "Refused" | "Error" | "Cancelled":
            return Declined(refusals.refusal(payment.refusal_reason_code), payment.psp_reference)
        case "Received" | "Pending" if payment.psp_reference:
            return Accepted(payment.psp_reference)
        case other:
            return Unknown(f"resultCode {other}")


def _is_nameless(call: PspCall, payment: _Payment) -> bool:
    """Whether nothing can tell whose payment was resumed: it was given no pspReference when it was asked for.

    Adyen's own examples of an answer name no merchantReference either.
    """
    return is_psp_key(call.psp_payment_id) and not payment.merchant_reference


def _told_later(payment: _Payment) -> Outcome:
    """What a redirectResult was good for is told by the AUTHORISATION, which names it and is signed."""
    if payment.psp_reference and payment.result_code in CONCLUDED:
        return Accepted(payment.psp_reference)
    return Unknown("an answer that does not say that it is about the payment")


def _is_about(call: PspCall, payment: _Payment) -> bool:
    """Whether the payment is the call's own.

    A resumed payment keeps the reference that it was first asked under, which is another one of the
    same payment intent.
    """
    if not call.psp_payment_id:
        return payment.merchant_reference in ("", call.psp_key)
    if payment.merchant_reference:
        return intent_of(payment.merchant_reference) == intent_of(call.psp_key)
    return payment.psp_reference == call.psp_payment_id


def _about_another(call: PspCall, payment: _Payment) -> Outcome:
    """A redirectResult comes through the payer's hands: that of another payment authorizes only that one."""
    _LOG.error("Adyen answered about another payment", extra={"psp_key": call.psp_key})
    if call.psp_payment_id and payment.merchant_reference:
        return NotExecuted(declines.failure("authentication_failed"))
    return Unknown("an answer that does not say that it is about the payment")


def _approved(call: PspCall, payment: _Payment) -> Outcome:
    if payment.amount and not _is_whole(call, payment.amount):
        return Unknown("authorized, but not for the amount that was asked for")
    return Approved(payment.psp_reference)


def _is_whole(call: PspCall, amount: _Amount) -> bool:
    return amount.currency == call.currency and from_adyen(amount.value, amount.currency) == call.amount


def _action_required(call: PspCall, payment: _Payment) -> Outcome:
    """The payer has a page to go to; what they bring back is what authorizes the payment.

    Without a page (3D Secure inside the merchant's own, which PayFlow does not ask for) they can bring
    nothing back. Adyen may keep its pspReference to itself until then; the reference that it was asked
    under stands in for it.
    """
    if payment.action is None or not payment.action.url:
        return Declined(declines.failure("authentication_required", payment.result_code))
    next_action = NextAction("redirect_to_url", payment.action.url)
    return ActionRequired(payment.psp_reference or call.psp_key, next_action)
