"""A PSP that signs its webhooks: HMAC-SHA256 over the time and the raw bytes of the body.

The body has a line for each event: its id, the reference, and what it says, which may be any bytes:

    approved {psp_key}    the authorization under this key was approved
    declined {psp_key}    it was declined
    nothing               of no interest
    ask                   the PSP has to be asked; what it answers is of no interest
    anything else         makes no sense
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from payflow.domain.declines import failure
from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import Approved, Declined, OperationType
from payflow.psp.connector import (
    Connector,
    Delivery,
    PspSilentError,
    Rejection,
    SignedItem,
    WebhookRejectedError,
)
from tests.wrapped_connector import WrappedConnector

SIGNATURE = "psp-signature"
TOLERANCE = timedelta(minutes=5)


def signature(secret: bytes, at: datetime, body: bytes) -> str:
    """What the PSP sends in the header SIGNATURE."""
    seconds = str(int(at.timestamp()))
    return f"{seconds}:{hmac.new(secret, seconds.encode() + body, hashlib.sha256).hexdigest()}"


def line(event_id: str, reference: str = "-", content: bytes = b"nothing") -> bytes:
    """One event of a body."""
    return b" ".join((event_id.encode(), reference.encode(), content))


class SigningConnector(WrappedConnector):
    """Speaks to that PSP; its payments go where ``inner`` sends them."""

    def __init__(self, inner: Connector, name: str, secrets: Mapping[str, bytes], reply: str = "") -> None:
        """``secrets`` are by credential reference."""
        super().__init__(inner)
        self.name = name
        self.webhook_reply = reply
        self.secrets = dict(secrets)
        self.is_silent = False

    def receive(self, delivery: Delivery, credential_ref: str, now: datetime) -> Sequence[SignedItem]:
        """Verifies, then reads."""
        secret = self.secrets.get(credential_ref)
        if secret is None:
            raise WebhookRejectedError(Rejection.NOT_CONFIGURED, credential_ref)
        told = delivery.headers.get(SIGNATURE)
        if told is None:
            raise WebhookRejectedError(Rejection.SIGNATURE_MISSING)
        sent_at = datetime.fromtimestamp(int(told.partition(":")[0]), UTC)
        if not hmac.compare_digest(told, signature(secret, sent_at, delivery.body)):
            raise WebhookRejectedError(Rejection.SIGNATURE_WRONG)
        if now - sent_at > TOLERANCE:
            raise WebhookRejectedError(Rejection.TOO_OLD)
        if sent_at - now > TOLERANCE:
            raise WebhookRejectedError(Rejection.IN_THE_FUTURE)
        return [_item(one) for one in delivery.body.split(b"\n")]

    def interpret(self, content: bytes, credential_ref: str) -> Notice | None:
        """See the module."""
        match content.split():
            case [b"approved", key]:
                psp_key = key.decode()
                return Notice(OperationType.AUTHORIZE, Approved(f"psp_{psp_key}"), psp_key=psp_key)
            case [b"declined", key]:
                declined = Declined(failure("card_declined"))
                return Notice(OperationType.AUTHORIZE, declined, psp_key=key.decode())
            case [b"ask"] if self.is_silent:
                raise PspSilentError
            case [b"nothing"] | [b"ask"]:
                return None
        raise ValueError(f"cannot read {content!r}")


def _item(text: bytes) -> SignedItem:
    match text.split(b" ", 2):
        case [event_id, reference, content]:
            return SignedItem(event_id.decode(), reference.decode(), content)
    raise WebhookRejectedError(Rejection.MALFORMED, "not an event's line")
