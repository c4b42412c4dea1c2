"""The simulated PSP's webhooks: what one says, and how it is signed.

The signature is an HMAC-SHA256 over the timestamp (seconds since 1970), a dot and the body's raw bytes,
in a header such as ``Simulator-Signature: t=1893456000,v1=5257a8…``.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from payflow.psp.connector import Delivery, Rejection, WebhookRejectedError
from payflow.psp.simulator.requests import Amount, Currency, Name, Operation, Token

SIGNATURE_HEADER = "Simulator-Signature"
TOLERANCE_S = 300
BODY_BYTES_MAX = 16_384

_SIGNATURE = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})")


class EventType(StrEnum):
    """What happened."""

    AUTHORIZED = "authorized"
    DECLINED = "declined"
    ACTION_COMPLETED = "action_completed"
    CAPTURED = "captured"
    CANCELED = "canceled"
    REFUNDED = "refunded"
    CAPTURE_FAILED = "capture_failed"
    REFUND_FAILED = "refund_failed"
    LATE_SUCCESS = "late_success"


class Event(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a webhook: something happened to the operation that was asked for under a key."""

    id: Name
    type: EventType
    happened_at: Annotated[datetime, Meta(tz=True)]
    psp_account: Name
    merchant: Name
    reference: Name
    operation: Operation
    payment_id: Token
    amount: Amount
    currency: Currency


_EVENT = msgspec.json.Decoder(Event)


def read_event(body: bytes) -> Event:
    """The event in a webhook's body; raises msgspec.MsgspecError where there is none."""
    return _EVENT.decode(body)


def signature(secret: str, timestamp_s: int, body: bytes) -> str:
    """The header's value for ``body``."""
    signed = hmac.new(secret.encode(), b"%d.%s" % (timestamp_s, body), hashlib.sha256)
    return f"t={timestamp_s},v1={signed.hexdigest()}"


def verified_event(delivery: Delivery, secret: str, now: datetime) -> Event:
    """The event of a webhook that ``secret`` signed at about ``now``. Raises WebhookRejectedError."""
    header = delivery.headers.get(SIGNATURE_HEADER.lower())
    if header is None:
        raise WebhookRejectedError(Rejection.SIGNATURE_MISSING)
    found = _SIGNATURE.fullmatch(header)
    if found is None:
        raise WebhookRejectedError(Rejection.SIGNATURE_WRONG, "not of the form t=…,v1=…")
    timestamp_s = int(found[1])
    if not hmac.compare_digest(header, signature(secret, timestamp_s, delivery.body)):
        raise WebhookRejectedError(Rejection.SIGNATURE_WRONG)
    age_s = now.timestamp() - timestamp_s
    if age_s > TOLERANCE_S:
        raise WebhookRejectedError(Rejection.TOO_OLD, f"signed {age_s:.0f} s ago")
    if age_s < -TOLERANCE_S:
        raise WebhookRejectedError(Rejection.IN_THE_FUTURE, f"signed {-age_s:.0f} s ahead")
    return _read(delivery.body)


def _read(body: bytes) -> Event:
    if len(body) > BODY_BYTES_MAX:
        raise WebhookRejectedError(Rejection.MALFORMED, f"more than {BODY_BYTES_MAX} bytes")
    try:
        return read_event(body)
    except msgspec.MsgspecError as error:
        raise WebhookRejectedError(Rejection.MALFORMED, str(error)) from error
