"""Stripe's test payment methods (docs.stripe.com/testing), in terms of what localstripe knows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Decline:
    """Why a card is declined: the error's code and its decline code."""

    code: str = "card_declined"
    decline_code: str | None = "generic_decline"


LOCALSTRIPE_DECLINED = "pm_card_chargeCustomerFail"

DECLINED = {
    "pm_card_chargeDeclined": Decline(),
    "pm_card_visa_chargeDeclined": Decline(),
    "pm_card_chargeCustomerFail": Decline(),
    "pm_card_visa_chargeDeclinedInsufficientFunds": Decline(decline_code="insufficient_funds"),
    "pm_card_visa_chargeDeclinedLostCard": Decline(decline_code="lost_card"),
    "pm_card_visa_chargeDeclinedStolenCard": Decline(decline_code="stolen_card"),
    "pm_card_chargeDeclinedExpiredCard": Decline("expired_card", None),
    "pm_card_chargeDeclinedIncorrectCvc": Decline("incorrect_cvc", None),
    "pm_card_chargeDeclinedProcessingError": Decline("processing_error", None),
}

# Numbers of cards for which localstripe asks the payer to authenticate; the second is declined after that.
CHALLENGED = {
    "pm_card_threeDSecure2Required": "4000002500003155",
    "pm_card_authenticationRequired": "4000002500003155",
    "pm_card_threeDSecureRequiredChargeDeclined": "4000008400001629",
}

NOT_HANDLED = Decline("authentication_required", "authentication_not_handled")
