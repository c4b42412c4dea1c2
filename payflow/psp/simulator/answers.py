"""What the simulator answers, as JSON objects that their ``result`` tells apart."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, ClassVar

from msgspec import Meta, Struct


class Failure(Struct, frozen=True, omit_defaults=True):
    """Why an operation did not succeed: one of the codes of ``reasons``, and a word to whoever reads it."""

    code: str
    message: str = ""


class Approved(Struct, frozen=True, tag_field="result", tag="approved", omit_defaults=True):
    """Done. ``id`` is the payment, or the refund; ``expires_at`` ends an authorization."""

    http_status: ClassVar[int] = HTTPStatus.OK
    id: str
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


class Accepted(Struct, frozen=True, tag_field="result", tag="accepted"):
    """Taken in; a look-up and a webhook tell later what came of it. ``id`` is as in Approved."""

    http_status: ClassVar[int] = HTTPStatus.ACCEPTED
    id: str


class ActionRequired(Struct, frozen=True, tag_field="result", tag="requires_action"):
    """The payer has to visit ``redirect_url``; after that the payment is confirmed."""

    http_status: ClassVar[int] = HTTPStatus.OK
    id: str
    redirect_url: str


class Declined(Struct, frozen=True, tag_field="result", tag="declined", omit_defaults=True):
    """No, for good: nothing moved. ``id`` is the payment, empty when there is none.

    ``after_success`` says that it had been approved and was taken back.
    """

    http_status: ClassVar[int] = HTTPStatus.PAYMENT_REQUIRED
    id: str
    failure: Failure
    after_success: bool = False


class ShutOut(Struct, frozen=True, tag_field="result", tag="shut_out"):
    """The reference is shut out: nothing was executed under it and nothing ever will be."""

    http_status: ClassVar[int] = HTTPStatus.GONE


class NotFound(Struct, frozen=True, tag_field="result", tag="not_found"):
    """The reference has never been seen."""

    http_status: ClassVar[int] = HTTPStatus.NOT_FOUND


class Overloaded(Struct, frozen=True, tag_field="result", tag="overloaded"):
    """Too many requests; nothing was done about this one."""

    http_status: ClassVar[int] = HTTPStatus.TOO_MANY_REQUESTS


class Refused(Struct, frozen=True, tag_field="result", tag="refused"):
    """Not a valid request, or not one that its reference was first used for; nothing was done about it."""

    http_status: ClassVar[int] = HTTPStatus.BAD_REQUEST
    code: str
    message: str


Executed = Approved | Accepted | ActionRequired | Declined
Answer = Executed | ShutOut | NotFound | Overloaded | Refused

KEY_REUSED = Refused("key_reused", "The reference was used for another request.")
