"""How the double's test acquirer answers a payment method, as Adyen documents its own.

https://docs.adyen.com/development-resources/test-cards/test-card-numbers and, for what is asked for by
``RequestedTestAcquirerResponseCode``, https://docs.adyen.com/development-resources/testing/result-codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from tests.adyen_double.answers import UNSUPPORTED, Answer, error

APPROVED_CARDS = {"test_4111111145551142", "test_5555341244441115", "test_370000000000002"}
CHALLENGED_CARDS = {"test_4917610000000000"}
STORED_METHODS = {"M5N7TQ4TG5PFWR50"}
# Of a card that none of the account's acquirers takes.
UNSUPPORTED_METHODS = {"A4XWNK5V3GTPM792"}

# 1 and 30 are approvals; 13 is one that takes its time.
APPROVING_CODES = ("1", "30")
PENDING_CODE = "13"
LAST_CODE = 46
_RESULT_CODES = {"0": "Error", "4": "Error", "22": "Cancelled"}


class Verdict(Struct, frozen=True):
    """``result_code``, and the reason where it is a refusal."""

    result_code: str
    refusal_code: str = ""

    @property
    def is_refusal(self) -> bool:
        """Whether it ends the payment."""
        return self.result_code in ("Refused", "Error", "Cancelled")


class UnusableError(Exception):
    """A payment method that no payment can be made with; ``answer`` says so."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.answer = answer


def verdict(request: Mapping[str, Any]) -> Verdict:
    """What becomes of a valid payment request."""
    challenged = _is_challenged(request["paymentMethod"])
    code = request.get("additionalData", {}).get("RequestedTestAcquirerResponseCode", "")
    if code == PENDING_CODE:
        return Verdict("Received")
    if code and code not in APPROVING_CODES:
        if not (code.isdecimal() and int(code) <= LAST_CODE):
            raise UnusableError(error(422, "702", "Unknown RequestedTestAcquirerResponseCode"))
        return Verdict(_RESULT_CODES.get(code, "Refused"), code)
    return Verdict("RedirectShopper" if challenged else "Authorised")


def _is_challenged(method: Mapping[str, Any]) -> bool:
    """Raises UnusableError for a card that nobody has published and a token that nobody was given."""
    if stored := method.get("storedPaymentMethodId"):
        if stored in UNSUPPORTED_METHODS:
            raise UnusableError(UNSUPPORTED)
        if stored not in STORED_METHODS:
            raise UnusableError(error(422, "803", "PaymentDetail not found"))
        return False
    if method.get("encryptedCardNumber") not in APPROVED_CARDS | CHALLENGED_CARDS:
        raise UnusableError(error(422, "101", "Invalid card number"))
    if not str(method.get("encryptedExpiryYear", "")).startswith("test_"):
        raise UnusableError(error(422, "129", "Expiry Date Invalid"))
    return method["encryptedCardNumber"] in CHALLENGED_CARDS
