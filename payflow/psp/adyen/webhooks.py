"""Verifies Adyen's standard webhooks: https://docs.adyen.com/development-resources/webhooks.

Adyen signs eight fields of every item, joined by colons. Of these only merchantReference may have a colon
of its own here, so that nobody can move a colon from one field into the next under the same signature.

eventDate is not signed, so it protects nobody from a replay: what does is that an event counts once, by
its ``event_id``, and that an older fact changes nothing. An absurd date is still turned away, as Adyen
itself never sends one.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from Adyen.util import generate_notification_sig

from payflow.psp.adyen.accounts import Account
from payflow.psp.connector import Delivery, Rejection, SignedItem, WebhookRejectedError

ITEMS_MAX = 100
AHEAD_MAX = timedelta(minutes=5)
# Adyen tries for 30 days to deliver an event.
AGE_MAX = timedelta(days=31)

_Word = Annotated[str, msgspec.Meta(pattern=r"^[!-9;-~]{1,200}\Z")]
_WordOrNone = Annotated[str, msgspec.Meta(pattern=r"^[!-9;-~]{0,200}\Z")]
_Reference = Annotated[str, msgspec.Meta(max_length=200)]
_OURS = re.compile("[A-Za-z0-9_-]+")


class _Amount(msgspec.Struct, frozen=True):
    value: int
    currency: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}\Z")]


class Event(msgspec.Struct, frozen=True, rename="camel"):
    """What Adyen's signature covers, and nothing else."""

    psp_reference: _Word
    merchant_account_code: _Word
    amount: _Amount
    event_code: _Word
    success: Literal["true", "false"]
    merchant_reference: _Reference | None = None
    original_reference: _WordOrNone | None = None


class _AdditionalData(msgspec.Struct, frozen=True, rename="camel"):
    hmac_signature: str = ""


class _Item(Event, frozen=True, rename="camel", kw_only=True):
    event_date: datetime
    additional_data: _AdditionalData = _AdditionalData()


class _Container(msgspec.Struct, frozen=True, rename={"item": "NotificationRequestItem"}):
    item: _Item


class _Notification(msgspec.Struct, frozen=True, rename="camel"):
    notification_items: Annotated[list[_Container], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]


def verified(delivery: Delivery, account: Account, now: datetime) -> Sequence[SignedItem]:
    """The items of a delivery, of which every one holds. Raises WebhookRejectedError otherwise."""
    try:
        notification = msgspec.json.decode(delivery.body, type=_Notification)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise WebhookRejectedError(Rejection.MALFORMED, str(error)) from None
    items = [container.item for container in notification.notification_items]
    for item in items:
        _verify(item, account, now)
    return [_signed(item) for item in items]


def _verify(item: _Item, account: Account, now: datetime) -> None:
    given = item.additional_data.hmac_signature
    if not given:
        raise WebhookRejectedError(Rejection.SIGNATURE_MISSING)
    if not hmac.compare_digest(_signature(item, account.hmac_key), given.encode()):
        raise WebhookRejectedError(Rejection.SIGNATURE_WRONG)
    if item.merchant_account_code != account.merchant_account:
        raise WebhookRejectedError(Rejection.NOT_CONFIGURED, "an event of another merchant account")
    _verify_date(item.event_date, now)


def _signature(item: _Item, hmac_key: str) -> bytes:
    fields = {
        "pspReference": item.psp_reference,
        "originalReference": item.original_reference or "",
        "merchantAccountCode": item.merchant_account_code,
        "merchantReference": item.merchant_reference or "",
        "amount": {"value": item.amount.value, "currency": item.amount.currency},
        "eventCode": item.event_code,
        "success": item.success,
    }
    try:
        signature: bytes = generate_notification_sig(fields, hmac_key)
    except ValueError:
        raise WebhookRejectedError(Rejection.NOT_CONFIGURED, "ADYEN_HMAC_KEY is not hexadecimal") from None
    return signature


def _verify_date(event_date: datetime, now: datetime) -> None:
    if event_date.tzinfo is None:
        raise WebhookRejectedError(Rejection.MALFORMED, "eventDate without a time zone")
    if event_date > now + AHEAD_MAX:
        raise WebhookRejectedError(Rejection.IN_THE_FUTURE)
    if event_date < now - AGE_MAX:
        raise WebhookRejectedError(Rejection.TOO_OLD)


def _signed(item: _Item) -> SignedItem:
    event = Event(
        item.psp_reference,
        item.merchant_account_code,
        item.amount,
        item.event_code,
        item.success,
        item.merchant_reference,
        item.original_reference,
    )
    return SignedItem(
        event_id=f"{item.event_code}:{item.psp_reference}:{item.success}",
        reference=_reference(item),
        content=msgspec.json.encode(event),
    )


def _reference(item: _Item) -> str:
    """The item's reference to us; empty for one that no key of ours looks like."""
    reference = item.merchant_reference or ""
    return reference if _OURS.fullmatch(reference) else ""
