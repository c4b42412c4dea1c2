"""Stripe's codes in PayFlow's words: the two tables, and nothing that reads a message.

Decline codes: docs.stripe.com/declines/codes (all of the card codes), the reasons of a charge's outcome:
docs.stripe.com/declines/card. Error codes: docs.stripe.com/error-codes.
"""

from __future__ import annotations

from dataclasses import replace

from payflow.domain import declines
from payflow.domain.psp_outcome import Advice, Failure
from payflow.psp.stripe.objects import Refusal

DECLINE_CODES = {
    "approve_with_id": "try_again_later",
    "authentication_not_handled": "authentication_required",
    "authentication_required": "authentication_required",
    "call_issuer": "call_issuer",
    "card_not_supported": "not_permitted",
    "card_velocity_exceeded": "limit_exceeded",
    "currency_not_supported": "not_permitted",
    "do_not_honor": "card_declined",
    "do_not_try_again": "card_declined",
    "duplicate_transaction": "duplicate",
    "expired_card": "expired_card",
    "fraudulent": "fraud",
    "generic_decline": "card_declined",
    "incorrect_address": "incorrect_address",
    "incorrect_cvc": "incorrect_cvc",
    "incorrect_number": "incorrect_number",
    "incorrect_pin": "incorrect_pin",
    "incorrect_zip": "incorrect_address",
    "insufficient_funds": "insufficient_funds",
    "invalid_account": "invalid_account",
    "invalid_amount": "invalid_amount",
    "invalid_cvc": "incorrect_cvc",
    "invalid_expiry_month": "incorrect_expiry",
    "invalid_expiry_year": "incorrect_expiry",
    "invalid_number": "incorrect_number",
    "invalid_pin": "incorrect_pin",
    "issuer_not_available": "issuer_unavailable",
    "lost_card": "lost_card",
    "merchant_blacklist": "fraud",
    "mobile_device_authentication_required": "authentication_required",
    "new_account_information_available": "invalid_account",
    "no_action_taken": "card_declined",
    "not_permitted": "not_permitted",
    "offline_pin_required": "authentication_required",
    "online_or_offline_pin_required": "authentication_required",
    "pickup_card": "pickup_card",
    "pin_try_exceeded": "incorrect_pin",
    "processing_error": "acquirer_error",
    "reenter_transaction": "try_again_later",
    "restricted_card": "restricted_card",
    "revocation_of_all_authorizations": "revoked",
    "revocation_of_authorization": "revoked",
    "security_violation": "security_violation",
    "service_not_allowed": "not_permitted",
    "stolen_card": "stolen_card",
    "stop_payment_order": "revoked",
    "testmode_decline": "invalid_payment_method",
    "transaction_not_allowed": "not_permitted",
    "try_again_later": "try_again_later",
    "withdrawal_count_limit_exceeded": "limit_exceeded",
    # What Stripe itself decides: Radar and Adaptive Acceptance.
    "highest_risk_level": "fraud",
    "low_probability_of_authorization": "card_declined",
    "previously_declined_do_not_retry": "card_declined",
    "requested_block_on_incorrect_cvc": "incorrect_cvc",
    "requested_block_on_incorrect_zip": "incorrect_address",
    "rule": "fraud",
    # Error codes of a payment that failed without a decline code.
    "authentication_failure": "authentication_failed",
    "card_decline_rate_limit_exceeded": "limit_exceeded",
    "card_declined": "card_declined",
    "expired_payment_method": "expired_card",
    "incorrect_postal_code": "incorrect_address",
    "invalid_card_type": "not_permitted",
    "payment_intent_authentication_failure": "authentication_failed",
    "payment_intent_payment_attempt_expired": "authentication_failed",
    "payment_intent_payment_attempt_failed": "card_declined",
    "payment_method_customer_decline": "canceled_by_payer",
    "three_d_secure_authentication_not_supported": "authentication_failed",
    "three_d_secure_authentication_upstream_error": "acquirer_error",
}

# Why a request was refused that was valid in form. What is not here is ``psp_refused_request``.
REFUSAL_CODES = {
    "amount_too_large": "invalid_amount",
    "amount_too_small": "invalid_amount",
    "charge_exceeds_source_limit": "invalid_amount",
    "charge_exceeds_transaction_limit": "invalid_amount",
    "invalid_charge_amount": "invalid_amount",
    "invalid_charge_amount_no_decimal_compatible": "invalid_amount",
    "parameter_invalid_integer": "invalid_amount",
    "capture_charge_authorization_expired": "authorization_expired",
    "charge_expired_for_capture": "authorization_expired",
    "capture_unauthorized_payment": "invalid_state",
    "charge_already_captured": "invalid_state",
    "charge_already_refunded": "invalid_state",
    "charge_disputed": "invalid_state",
    "charge_not_refundable": "invalid_state",
    "intent_invalid_state": "invalid_state",
    "payment_intent_unexpected_state": "invalid_state",
    "refund_disputed_payment": "invalid_state",
    "capability_not_active": "not_supported",
    "payment_intent_incompatible_payment_method": "not_supported",
    "payment_method_currency_mismatch": "not_supported",
    "payment_method_not_available": "not_supported",
    "payment_method_unactivated": "not_supported",
    "payment_method_unsupported_type": "not_supported",
    "account_invalid": "psp_not_configured",
    "api_key_expired": "psp_not_configured",
    "livemode_mismatch": "psp_not_configured",
    "platform_api_key_expired": "psp_not_configured",
    "secret_key_required": "psp_not_configured",
    "testmode_charges_only": "psp_not_configured",
}

# Why a refund failed: docs.stripe.com/api/refunds/object#refund_object-failure_reason.
REFUND_FAILURES = {
    "charge_for_pending_refund_disputed": "invalid_state",
    "declined": "card_declined",
    "expired_or_canceled_card": "expired_card",
    "insufficient_funds": "psp_refused_request",
    "lost_or_stolen_card": "invalid_account",
    "merchant_request": "invalid_state",
}


def decline(refusal: Refusal) -> Failure:
    """Why a payment did not go through.

    A network that says do_not_try_again is obeyed whatever the code (it fines merchants who do not):
    docs.stripe.com/declines/card#retrying-issuer-declines.
    """
    code = refusal.decline_code or refusal.code or ""
    failed = declines.failure(DECLINE_CODES.get(code, "unknown_decline"), code)
    if refusal.advice_code == "do_not_try_again" and failed.retryable:
        return replace(failed, retryable=False, advice=Advice.NEVER)
    return failed


def refusal_failure(refusal: Refusal) -> Failure:
    """Why a request was refused."""
    code = refusal.code or refusal.type or ""
    return declines.failure(REFUSAL_CODES.get(code, "psp_refused_request"), code)


def refund_failure(reason: str | None) -> Failure:
    """Why a refund failed."""
    return declines.failure(REFUND_FAILURES.get(reason or "", "unknown_decline"), reason or "")
