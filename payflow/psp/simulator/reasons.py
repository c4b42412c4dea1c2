"""The simulated PSP's own codes for why it says no, and what each is in PayFlow's taxonomy."""

from __future__ import annotations

# What an issuer or an acquirer says to an authorization.
DECLINES = {
    "insufficient_funds": "insufficient_funds",
    "limit_exceeded": "limit_exceeded",
    "expired_card": "expired_card",
    "incorrect_number": "incorrect_number",
    "incorrect_cvc": "incorrect_cvc",
    "incorrect_expiry": "incorrect_expiry",
    "incorrect_address": "incorrect_address",
    "incorrect_pin": "incorrect_pin",
    "no_such_account": "invalid_account",
    "invalid_payment_method": "invalid_payment_method",
    "canceled_by_payer": "canceled_by_payer",
    "challenge_wanted": "authentication_required",
    "challenge_failed": "authentication_failed",
    "suspected_fraud": "fraud",
    "lost_card": "lost_card",
    "stolen_card": "stolen_card",
    "pickup_card": "pickup_card",
    "restricted_card": "restricted_card",
    "security_violation": "security_violation",
    "blocked_card": "blocked_card",
    "issuer_unavailable": "issuer_unavailable",
    "try_again_later": "try_again_later",
    "not_permitted": "not_permitted",
    "revoked": "revoked",
    "call_issuer": "call_issuer",
    "acquirer_error": "acquirer_error",
    "not_supported": "not_supported",
    "duplicate": "duplicate",
    "invalid_amount": "invalid_amount",
    "invalid_state": "invalid_state",
    "authorization_expired": "authorization_expired",
    "card_declined": "card_declined",
    # Means nothing to anybody, as what a PSP thinks up tomorrow will.
    "unheard_of": "unknown_decline",
}

# What the rules of a payment say to an operation on it, and what a scheme says days later.
RULES = {
    "payment_not_found": "invalid_state",
    "amount_exceeds_authorized": "invalid_amount",
    "amount_exceeds_captured": "invalid_amount",
    "amount_mismatch": "invalid_amount",
    "currency_mismatch": "psp_refused_request",
    "capture_rejected": "not_permitted",
    "refund_rejected": "invalid_account",
}

CANONICAL = DECLINES | RULES
