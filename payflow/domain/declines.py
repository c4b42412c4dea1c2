"""The one taxonomy of declines: PayFlow's own codes, and what each advises.

A connector maps its PSP's codes to these, by code and never by message text. What it cannot map is
``unknown_decline``, which nobody repeats.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from payflow.domain.psp_outcome import Advice, Failure


class Category(Enum):
    """What kind of trouble a decline is."""

    FUNDS = "the payer has not enough money, or not enough left of a limit"
    CARD_DATA = "what the payer typed, or the card itself, is not valid"
    AUTHENTICATION = "the payer has to prove who they are"
    FRAUD = "somebody takes it for fraud, or the card is reported lost or stolen"
    ISSUER = "the issuer cannot or will not answer now"
    PSP = "the PSP or its acquirer cannot carry it out"
    INTEGRATION = "PayFlow or the merchant's account at the PSP is set up wrong"
    UNKNOWN = "nobody says why"


# What another PSP would not have answered otherwise says nothing of the PSP that was asked.
USER_FAULTS = frozenset({Category.FUNDS, Category.CARD_DATA, Category.AUTHENTICATION})


@dataclass(frozen=True, slots=True)
class Decline:
    """One kind of decline; ``message`` is what callers are told."""

    category: Category
    advice: Advice
    message: str

    @property
    def is_user_fault(self) -> bool:
        """Whether it is the payer's and says nothing of the PSP."""
        return self.category in USER_FAULTS


_C, _A = Category, Advice

# Card schemes let a merchant present a card again after "insufficient funds" (ISO 8583 response 51), a
# limited number of times and later. Another PSP would ask the same issuer at the same moment, so that is
# no reason to fail over; what fails between PSP and issuer is.
TAXONOMY = {
    "insufficient_funds": Decline(_C.FUNDS, _A.RETRY_LATER, "The card has insufficient funds."),
    "limit_exceeded": Decline(_C.FUNDS, _A.RETRY_LATER, "A limit of the card is exceeded."),
    "expired_card": Decline(_C.CARD_DATA, _A.RECOLLECT, "The card has expired."),
    "incorrect_number": Decline(_C.CARD_DATA, _A.RECOLLECT, "The card number is not valid."),
    "incorrect_cvc": Decline(_C.CARD_DATA, _A.RECOLLECT, "The security code is not right."),
    "incorrect_expiry": Decline(_C.CARD_DATA, _A.RECOLLECT, "The expiry date is not right."),
    "incorrect_address": Decline(_C.CARD_DATA, _A.RECOLLECT, "The billing address is not right."),
    "incorrect_pin": Decline(_C.CARD_DATA, _A.RECOLLECT, "The PIN is not right."),
    "invalid_account": Decline(_C.CARD_DATA, _A.RECOLLECT, "The card or its account is not valid."),
    "invalid_payment_method": Decline(_C.CARD_DATA, _A.RECOLLECT, "The payment method does not exist."),
    "canceled_by_payer": Decline(_C.AUTHENTICATION, _A.RECOLLECT, "The payer canceled the payment."),
    "authentication_required": Decline(
        _C.AUTHENTICATION, _A.STEP_UP, "The issuer asks for the payer's authentication."
    ),
    "authentication_failed": Decline(
        _C.AUTHENTICATION, _A.RECOLLECT, "The payer's authentication did not succeed."
    ),
    "fraud": Decline(_C.FRAUD, _A.NEVER, "The payment was refused."),
    "lost_card": Decline(_C.FRAUD, _A.NEVER, "The payment was refused."),
    "stolen_card": Decline(_C.FRAUD, _A.NEVER, "The payment was refused."),
    "pickup_card": Decline(_C.FRAUD, _A.NEVER, "The payment was refused."),
    "restricted_card": Decline(_C.FRAUD, _A.NEVER, "The payment was refused."),
    "security_violation": Decline(_C.FRAUD, _A.NEVER, "The payment was refused."),
    "blocked_card": Decline(_C.FRAUD, _A.NEVER, "The card is blocked."),
    "issuer_unavailable": Decline(_C.ISSUER, _A.RETRY_LATER, "The issuer does not answer."),
    "try_again_later": Decline(_C.ISSUER, _A.RETRY_LATER, "The issuer asks to try again later."),
    "not_permitted": Decline(_C.ISSUER, _A.NEVER, "The issuer does not permit the payment."),
    "revoked": Decline(_C.ISSUER, _A.NEVER, "The payer revoked the authorization of such payments."),
    "call_issuer": Decline(_C.ISSUER, _A.NEVER, "The issuer wants to hear from the payer first."),
    "acquirer_error": Decline(_C.PSP, _A.RETRY_ELSEWHERE, "The PSP could not process the payment."),
    "not_supported": Decline(_C.PSP, _A.RETRY_ELSEWHERE, "The PSP does not support such a payment."),
    "psp_unreachable": Decline(
        _C.PSP, _A.RETRY_ELSEWHERE, "The PSP could not be reached; nothing was executed."
    ),
    "psp_overloaded": Decline(
        _C.PSP, _A.RETRY_ELSEWHERE, "The PSP takes no more requests now; nothing was executed."
    ),
    "breaker_open": Decline(
        _C.PSP, _A.RETRY_ELSEWHERE, "The PSP failed too often to be asked now; nothing was executed."
    ),
    "psp_refused_request": Decline(
        _C.INTEGRATION, _A.NEVER, "The PSP refused the request; nothing was executed."
    ),
    "psp_not_configured": Decline(
        _C.INTEGRATION, _A.NEVER, "The PSP account is not set up; nothing was executed."
    ),
    "psp_key_shut_out": Decline(
        _C.INTEGRATION, _A.NEVER, "The reference was shut out at the PSP; nothing was executed."
    ),
    "duplicate": Decline(_C.INTEGRATION, _A.NEVER, "The PSP takes the payment for a duplicate."),
    "invalid_amount": Decline(_C.INTEGRATION, _A.NEVER, "The amount is not valid at the PSP."),
    "invalid_state": Decline(
        _C.INTEGRATION, _A.NEVER, "The payment at the PSP does not allow the operation."
    ),
    "authorization_expired": Decline(_C.INTEGRATION, _A.NEVER, "The authorization has expired."),
    "card_declined": Decline(_C.UNKNOWN, _A.NEVER, "The card was declined."),
    "unknown_decline": Decline(_C.UNKNOWN, _A.NEVER, "The payment was declined."),
}


NOT_TAKEN = frozenset({"psp_unreachable", "psp_overloaded"})
"""Of what was not executed, these alone speak against the PSP, and may be over in a moment."""


def failure(code: str, psp_code: str = "") -> Failure:
    """The failure for one of the codes above, which a PSP gave as ``psp_code``; an unknown one is safe."""
    known = code if code in TAXONOMY else "unknown_decline"
    decline = TAXONOMY[known]
    return Failure(known, decline.message, psp_code, decline.advice.is_retryable, decline.advice)


def is_user_fault(failed: Failure) -> bool:
    """Whether a failure is the payer's, so that it says nothing of the PSP."""
    decline = TAXONOMY.get(failed.code)
    return decline is not None and decline.is_user_fault
