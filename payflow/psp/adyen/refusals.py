"""Why Adyen says no, in the words of PayFlow's taxonomy; looked up by code, never by message."""

from __future__ import annotations

from payflow.domain import declines
from payflow.domain.psp_outcome import Failure

# ``refusalReasonCode`` of a payment: https://docs.adyen.com/development-resources/refusal-reasons. The
# numbers that are left out (1, 13, 30) belong to payments that were not refused.
REFUSALS = {
    "0": "unknown_decline",  # no reason given
    "2": "card_declined",  # Refused
    "3": "call_issuer",  # Referral
    "4": "acquirer_error",  # Acquirer Error
    "5": "blocked_card",  # Blocked Card
    "6": "expired_card",  # Expired Card
    "7": "invalid_amount",  # Invalid Amount
    "8": "incorrect_number",  # Invalid Card Number
    "9": "issuer_unavailable",  # Issuer Unavailable
    # It is the issuer that does not support or allow it; another PSP would ask the same issuer.
    "10": "not_permitted",  # Not supported
    "11": "authentication_failed",  # 3D Not Authenticated
    "12": "insufficient_funds",  # Not enough balance
    "14": "fraud",  # Acquirer Fraud
    "15": "card_declined",  # Cancelled; by whom is not said
    "16": "canceled_by_payer",  # Shopper Cancelled
    "17": "incorrect_pin",  # Invalid Pin
    "18": "incorrect_pin",  # Pin tries exceeded
    "19": "incorrect_pin",  # Pin validation not possible
    "20": "fraud",  # FRAUD
    "21": "psp_refused_request",  # Not Submitted
    "22": "fraud",  # FRAUD-CANCELLED
    "23": "not_permitted",  # Transaction Not Permitted
    "24": "incorrect_cvc",  # CVC Declined
    "25": "restricted_card",  # Restricted Card
    "26": "revoked",  # Revocation Of Auth
    "27": "card_declined",  # Declined Non Generic
    "28": "limit_exceeded",  # Withdrawal amount exceeded
    "29": "limit_exceeded",  # Withdrawal count exceeded
    "31": "fraud",  # Issuer Suspected Fraud
    "32": "incorrect_address",  # AVS Declined
    "33": "authentication_required",  # Card requires online pin
    "34": "invalid_account",  # No checking account available on Card
    "35": "invalid_account",  # No savings account available on Card
    "36": "authentication_required",  # Mobile pin required
    "37": "not_permitted",  # Contactless fallback
    "38": "authentication_required",  # Authentication required
    "39": "authentication_failed",  # RReq not received from DS
    "40": "not_permitted",  # Current AID is in Penalty Box
    "41": "authentication_required",  # CVM Required Restart Payment
    "42": "authentication_failed",  # 3DS Authentication Error
    "43": "authentication_required",  # Online PIN required
    "44": "not_permitted",  # Try another interface
    "45": "not_permitted",  # Chip downgrade mode
    # The issuer had said before that it will never permit it.
    "46": "not_permitted",  # Transaction blocked by Adyen to prevent excessive retry fees
}

# ``errorCode`` of a request that was refused before anything was executed, where it says more than that:
# https://docs.adyen.com/development-resources/error-codes.
ERRORS = {
    "101": "incorrect_number",  # Invalid card number
    "103": "incorrect_cvc",  # CVC is not the right length
    "129": "incorrect_expiry",  # Expiry Date Invalid
    "137": "invalid_amount",  # Invalid amount specified
    "138": "not_supported",  # Unsupported currency specified
    "140": "incorrect_expiry",  # Invalid expiryMonth or expiryYear, or before now
    "141": "incorrect_expiry",  # Invalid expiryMonth or expiryYear
    "167": "invalid_state",  # Original pspReference required for this operation
    "800": "invalid_payment_method",  # Contract not found
    "803": "invalid_payment_method",  # PaymentDetail not found
    "905": "not_supported",  # Payment details are not supported
    "906": "invalid_state",  # Original pspReference is invalid for this environment
}


def refusal(reason_code: str) -> Failure:
    """The failure for a refusalReasonCode; a code that is not known yet is nothing to repeat."""
    return declines.failure(REFUSALS.get(reason_code, "unknown_decline"), reason_code)


def error(error_code: str) -> Failure | None:
    """The failure for an errorCode that declines; None for one that only says that the request is wrong.

    Adyen adds what belongs to one case behind an underscore, such as in 905_3.
    """
    canonical = ERRORS.get(error_code.partition("_")[0])
    return declines.failure(canonical, error_code) if canonical else None
