"""The tokens that a payment is made with, as Adyen is told them.

``adyen.{storedPaymentMethodId}.{shopperReference}`` is a payment method that Adyen has stored, such as
``adyen.M5N7TQ4TG5PFWR50.shopper-17``. The tokens that begin with ``pm_card_`` are Adyen's published test
cards (https://docs.adyen.com/development-resources/test-cards/test-card-numbers) and exist in test mode
only.
"""

from __future__ import annotations

import re

from payflow.psp.adyen.refusals import REFUSALS
from payflow.psp.connector import PspCall

# A shopperReference has at least three characters. Those that a token of PayFlow's cannot have, it cannot
# have either.
_STORED = re.compile(r"adyen\.([A-Za-z0-9]{1,64})\.([A-Za-z0-9_.-]{3,})")

_TEST_CARD = "pm_card_visa"
_TEST_CARDS = {
    _TEST_CARD: ("4111111145551142", "737"),
    "pm_card_mastercard": ("5555341244441115", "737"),
    "pm_card_amex": ("370000000000002", "7373"),
    # Asks for a challenge with 3D Secure 2.
    "pm_card_3ds": ("4917610000000000", "737"),
}

# Adyen's test acquirer answers for the reason that it is asked to answer for, 13 being "pending":
# https://docs.adyen.com/development-resources/testing/result-codes.
_TEST_ANSWERS = {
    "pm_card_declined": "2",
    "pm_card_insufficient_funds": "12",
    "pm_card_pending": "13",
    **{f"pm_card_refused_{code}": code for code in REFUSALS},
}


def payment_fields(call: PspCall) -> dict[str, object] | None:
    """The fields of a payment request that say how it is paid; None for a token that nobody issued."""
    stored = _STORED.fullmatch(call.payment_method)
    if stored:
        return _stored(stored[1], stored[2])
    token = _TEST_CARD if call.payment_method in _TEST_ANSWERS else call.payment_method
    return None if call.live or token not in _TEST_CARDS else _card(token)


def additional_data(call: PspCall) -> dict[str, str]:
    """What has no field of its own: that nothing is captured yet, and what a test card is to be answered."""
    additional = {} if call.sale else {"manualCapture": "true"}
    if call.payment_method in _TEST_ANSWERS:
        additional["RequestedTestAcquirerResponseCode"] = _TEST_ANSWERS[call.payment_method]
    return additional


def _stored(stored_id: str, shopper: str) -> dict[str, object]:
    """To Adyen it is a card, whether the payer first paid with the card itself or with a wallet."""
    return {
        "paymentMethod": {"type": "scheme", "storedPaymentMethodId": stored_id},
        "shopperReference": shopper,
        "shopperInteraction": "ContAuth",
        "recurringProcessingModel": "CardOnFile",
    }


def _card(token: str) -> dict[str, object]:
    number, security_code = _TEST_CARDS[token]
    return {
        "paymentMethod": {
            "type": "scheme",
            "encryptedCardNumber": f"test_{number}",
            "encryptedExpiryMonth": "test_03",
            "encryptedExpiryYear": "test_2030",
            "encryptedSecurityCode": f"test_{security_code}",
        }
    }
