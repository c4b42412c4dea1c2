"""What the double answers with, and what it keeps under a key."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct


class Answer(Struct, frozen=True):
    """A status and a body. A ``transient`` error is not kept: the same key may be sent again, as if new."""

    status: int
    body: Mapping[str, object]
    transient: bool = False


def error(
    status: int, code: str, message: str, error_type: str = "validation", transient: bool = False
) -> Answer:
    """An error in Adyen's words."""
    body = {"status": status, "errorCode": code, "message": message, "errorType": error_type}
    return Answer(status, body, transient)


UNAUTHORIZED = error(401, "000", "HTTP Status Response - Unauthorized", "security")
FOREIGN_ACCOUNT = error(403, "901", "Invalid Merchant Account", "security")
IN_PROGRESS = error(422, "704", "request already processed or in progress", transient=True)
NO_SUCH_PAYMENT = error(422, "167", "Original pspReference required for this operation")
INVALID_PAYLOAD = error(422, "14_018", "Invalid payload provided")
OVERLOADED = error(429, "", "Too many requests", "internal")
UNSUPPORTED = error(500, "905", "Payment details are not supported", "configuration")
INTERNAL = error(500, "903", "Internal error", "internal")
