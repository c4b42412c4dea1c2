"""Reads a request as strictly as Adyen does."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.adyen_double.answers import FOREIGN_ACCOUNT, Answer, error
from tests.adyen_double.schemas import Violation, violation

# Adyen's errorCode where a field is missing; 702 says that something is wrong with a request.
_MISSING = {
    "reference": ("130", "Reference Missing"),
    "returnUrl": ("14_030", "Return URL is missing."),
    "amount": ("100", "No amount specified"),
}


def read(endpoint: str, body: bytes, merchant_account: str) -> dict[str, Any] | Answer:
    """What is asked, or the error that refuses it."""
    try:
        asked = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.MsgspecError:
        return error(400, "702", "Problem reading or understanding the request")
    if broken := violation(endpoint, asked):
        return _refused(broken, asked)
    if asked.get("merchantAccount", merchant_account) != merchant_account:
        return FOREIGN_ACCOUNT
    return _with_sound_amount(asked)


def _refused(broken: Violation, asked: dict[str, Any]) -> Answer:
    for field, (code, message) in _MISSING.items():
        if broken.is_missing(field) and field not in asked:
            return error(422, code, message)
    return error(400 if broken.is_unknown_field else 422, "702", f"{broken.path}: {broken.message}")


def _with_sound_amount(asked: dict[str, Any]) -> dict[str, Any] | Answer:
    amount = asked.get("amount")
    if amount is None:
        return asked
    if amount["value"] < 0:
        return error(422, "137", "Invalid amount specified")
    if not (amount["currency"].isalpha() and amount["currency"].isupper()):
        return error(422, "138", "Unsupported currency specified")
    return asked
