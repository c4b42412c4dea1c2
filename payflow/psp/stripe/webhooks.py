"""Webhooks of Stripe: who sent them, when, and what they are about.

The scheme: docs.stripe.com/webhooks#verify-manually. ``Stripe-Signature: t=<Unix time>,v1=<hex>[,v1=...]``
signs ``<t>.<body>`` with HMAC-SHA256; there are several v1 while a secret is being replaced.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

import msgspec
import stripe
from msgspec import Meta, Struct

from payflow.psp.connector import Delivery, Rejection, SignedItem, WebhookRejectedError
from payflow.psp.stripe.objects import REFERENCE

HEADER = "stripe-signature"
HEADER_CHARACTERS_MAX = 4_096
TOLERANCE_S = 300

_PART = re.compile(r"([a-z0-9]+)=([^\s=]*)")
_UNIX_TIME = re.compile("[0-9]{1,12}")

Identifier = Annotated[str, Meta(min_length=1, max_length=255)]


class Subject(Struct, frozen=True):
    """The object that an event is about."""

    object: Identifier
    id: Identifier | None = None
    metadata: dict[str, str] | None = None


class Data(Struct, frozen=True):
    """What an event carries: the object as it was then."""

    object: Subject


class Event(Struct, frozen=True):
    """An event, as docs.stripe.com/api/events/object."""

    id: Identifier
    type: Identifier
    data: Data


class Content(Struct, frozen=True):
    """What is kept of an event: no more than is asked Stripe about, and nothing of the payer."""

    type: str
    object: str
    id: str
    reference: str


def receive(delivery: Delivery, secret: str | None, now: datetime) -> SignedItem:
    """The event of a delivery. Raises WebhookRejectedError."""
    if secret is None:
        raise WebhookRejectedError(Rejection.NOT_CONFIGURED)
    _verify(delivery, secret, now)
    try:
        event = msgspec.json.decode(delivery.body, type=Event)
    except msgspec.MsgspecError as error:
        raise WebhookRejectedError(Rejection.MALFORMED, str(error)) from None
    subject = event.data.object
    reference = (subject.metadata or {}).get(REFERENCE, "")
    content = Content(event.type, subject.object, subject.id or "", reference)
    return SignedItem(event.id, reference, msgspec.json.encode(content))


def _verify(delivery: Delivery, secret: str, now: datetime) -> None:
    header = delivery.headers.get(HEADER, "")
    if not header:
        raise WebhookRejectedError(Rejection.SIGNATURE_MISSING)
    # The library compares strings in constant time, and fails on those that are not ASCII.
    if len(header) > HEADER_CHARACTERS_MAX or not header.isascii():
        raise WebhookRejectedError(Rejection.SIGNATURE_WRONG, "not a signature header")
    sent_at_s = _sent_at_s(header)
    try:
        # Without a tolerance the library does not look at its own clock.
        stripe.WebhookSignature.verify_header(delivery.body, header, secret, tolerance=None)
    except (stripe.SignatureVerificationError, UnicodeDecodeError) as error:
        raise WebhookRejectedError(Rejection.SIGNATURE_WRONG, type(error).__name__) from None
    age_s = now.timestamp() - sent_at_s
    if age_s > TOLERANCE_S:
        raise WebhookRejectedError(Rejection.TOO_OLD, f"{age_s:.0f} s")
    if age_s < -TOLERANCE_S:
        raise WebhookRejectedError(Rejection.IN_THE_FUTURE, f"{-age_s:.0f} s")


def _sent_at_s(header: str) -> int:
    """The only t of a header in which nothing else could be taken for one.

    To the library "t= 1" and "t=1=x" are a t as well, and the first of several is what was signed.
    """
    parts = [_PART.fullmatch(part) for part in header.split(",")]
    times = [part[2] for part in parts if part and part[1] == "t"]
    if None in parts or len(times) != 1 or not _UNIX_TIME.fullmatch(times[0]):
        raise WebhookRejectedError(Rejection.SIGNATURE_WRONG, "expected names with values, one of them t")
    return int(times[0])
