"""What the simulator answers, as JSON objects that their ``result`` tells apart."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, ClassVar

from msgspec import Meta, Struct


class Failure(Struct, frozen=True):
    """Why an operation did not succeed; ``retryable``: the same may succeed later, under a new key."""

    code: str
    message: str
    retryable: bool


class Approved(Struct, frozen=True, tag_field="result", tag="approved", omit_defaults=True):
    """Done. ``id`` is the payment, or the refund; ``expires_at`` ends an authorization."""

    http_status: ClassVar[int] = HTTPStatus.OK
    id: str
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


class ActionRequired(Struct, frozen=True, tag_field="result", tag="requires_action"):
    """The payer has to visit ``redirect_url``; after that the payment is confirmed."""

    http_status: ClassVar[int] = HTTPStatus.OK
    id: str
    redirect_url: str


class Declined(Struct, frozen=True, tag_field="result", tag="declined"):
    """No, for good: nothing moved. ``id`` is the payment, empty when there is none."""

    http_status: ClassVar[int] = HTTPStatus.PAYMENT_REQUIRED
    id: str
    failure: Failure


class ShutOut(Struct, frozen=True, tag_field="result", tag="shut_out"):
    """The reference is shut out: nothing was executed under it and nothing ever will be."""

    http_status: ClassVar[int] = HTTPStatus.GONE


class NotFound(Struct, frozen=True, tag_field="result", tag="not_found"):
    """The reference has never been seen."""

    http_status: ClassVar[int] = HTTPStatus.NOT_FOUND


class Refused(Struct, frozen=True, tag_field="result", tag="refused"):
    """Not a valid request, or not one that its reference was first used for; nothing was done about it."""

    http_status: ClassVar[int] = HTTPStatus.BAD_REQUEST
    code: str
    message: str


Executed = Approved | ActionRequired | Declined
Answer = Executed | ShutOut | NotFound | Refused

KEY_REUSED = Refused("key_reused", "The reference was used for another request.")
