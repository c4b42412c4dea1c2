"""The items of Adyen's standard webhooks, signed as Adyen signs them."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tests.adyen_double.payments import Payment
from tests.adyen_double.store import Modification


def signature(item: Mapping[str, Any], hmac_key: str) -> str:
    """The signature of an item's eight signed fields."""
    amount = item["amount"]
    fields = (
        item["pspReference"],
        item.get("originalReference", ""),
        item["merchantAccountCode"],
        item["merchantReference"],
        str(amount["value"]),
        amount["currency"],
        item["eventCode"],
        item["success"],
    )
    digest = hmac.new(bytes.fromhex(hmac_key), ":".join(fields).encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def signed(item: Mapping[str, Any], hmac_key: str) -> dict[str, Any]:
    """The item with its signature."""
    additional = item.get("additionalData", {})
    return {**item, "additionalData": {**additional, "hmacSignature": signature(item, hmac_key)}}


def delivery(items: Sequence[Mapping[str, Any]], hmac_key: str) -> dict[str, Any]:
    """The body that carries the items."""
    containers = [{"NotificationRequestItem": signed(item, hmac_key)} for item in items]
    return {"live": "false", "notificationItems": containers}


def of_payment(
    event_code: str, payment: Payment, merchant_account: str, at: datetime, success: bool = True
) -> dict[str, object]:
    """An item about the payment itself."""
    return {
        "pspReference": payment.psp_reference,
        "merchantReference": payment.reference,
        "amount": {"value": payment.value, "currency": payment.currency},
        **_common(event_code, merchant_account, at, success, ""),
    }


def of_modification(
    event_code: str,
    modification: Modification,
    merchant_account: str,
    at: datetime,
    success: bool = True,
    reason: str = "",
) -> dict[str, object]:
    """An item about something that was asked of a payment."""
    return {
        "pspReference": modification.psp_reference,
        "originalReference": modification.payment,
        "merchantReference": modification.reference,
        "amount": {"value": modification.value, "currency": modification.currency},
        **_common(event_code, merchant_account, at, success, reason),
    }


def _common(
    event_code: str, merchant_account: str, at: datetime, success: bool, reason: str
) -> dict[str, object]:
    return {
        "eventCode": event_code,
        "eventDate": at.isoformat(timespec="seconds"),
        "merchantAccountCode": merchant_account,
        "paymentMethod": "visa",
        "reason": reason,
        "success": "true" if success else "false",
    }
