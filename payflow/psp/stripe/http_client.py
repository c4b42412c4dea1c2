"""The official library's HTTP over PayFlow's transport, which tells what a failed exchange proves."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec
import stripe

from payflow.psp.stripe.objects import RefusalBody
from payflow.psp.transport import NeverSent, NoReply, Reply, Transport


class NeverSentError(stripe.StripeError):
    """No connection was made: Stripe has not seen the request."""


class NoReplyError(stripe.StripeError):
    """Stripe may have seen the request; ``broken`` says that the connection broke."""

    def __init__(self, detail: str, broken: bool) -> None:
        super().__init__(detail)
        self.broken = broken


class NonsenseError(stripe.StripeError):
    """An answer that is none of Stripe's, as a proxy gives it."""


class DeadlineClient(stripe.HTTPClient):
    """All requests of one connector call; ``deadline_s`` (monotonic) bounds them together.

    ``repeated`` says that one of them was sent twice, as its connection broke the first time.
    """

    name = "payflow"

    def __init__(self, transport: Transport, deadline_s: float) -> None:
        super().__init__()
        self.repeated = False
        self._transport = transport
        self._deadline_s = deadline_s

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: str | None = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """The answer. Raises NeverSentError, NoReplyError, NonsenseError."""
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        body = None if post_data is None else post_data.encode()
        reply = self._transport.exchange(method.upper(), target, headers or {}, body, self._deadline_s)
        match reply:
            case NeverSent(detail):
                raise NeverSentError(detail)
            case NoReply(detail, broken):
                raise NoReplyError(detail, broken)
            case Reply():
                self.repeated |= reply.repeated
                return _sensible(reply), reply.status, reply.headers

    def close(self) -> None:
        """Nothing: the transport outlives the call."""


def _sensible(reply: Reply) -> str:
    """The body; the library fails in ways of its own on what is not an object, or not an error's."""
    shape = dict[str, msgspec.Raw] if 200 <= reply.status < 300 else RefusalBody
    try:
        msgspec.json.decode(reply.body, type=shape)
        return reply.body.decode()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise NonsenseError("nonsense", http_status=reply.status) from None
