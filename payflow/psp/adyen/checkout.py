"""Adyen's Checkout API v71 through Adyen's own library, over PayFlow's transport.

The library knows the endpoints, the headers and the shape of an error. Its HTTP client is replaced, as it
lets its users do: it cannot tell a connection that was never made from one that broke, bounds no exchange
as a whole and keeps no connection. It finds its hosts by search and replace in the whole URL, so it is
given paths, and the transport knows the host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
from Adyen.client import AdyenClient
from Adyen.exceptions import AdyenAPIResponseError
from Adyen.services.checkout import AdyenCheckoutApi

from payflow.psp.transport import NeverSent, NoReply, Reply, Transport

VERSION = "v71"


class Endpoint(Enum):
    """What Adyen can be asked for."""

    PAYMENTS = auto()
    DETAILS = auto()
    CAPTURES = auto()
    CANCELS = auto()
    REFUNDS = auto()
    TECHNICAL_CANCELS = auto()


@dataclass(frozen=True, slots=True)
class Request:
    """One request; ``payment_id`` is the pspReference of the payment that its path names, if it does."""

    endpoint: Endpoint
    body: Mapping[str, object]
    idempotency_key: str
    payment_id: str = ""


@dataclass(frozen=True, slots=True)
class Success:
    """What Adyen answered with a status that says that it took the request."""

    message: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """An error that Adyen answered; its code and type are empty where it is not one of Adyen's own.

    ``transient`` is Adyen's header that the same key may be sent again and will be treated as new.
    """

    status: int
    error_code: str
    error_type: str
    transient: bool

    def __str__(self) -> str:
        return f"HTTP {self.status}, errorCode {self.error_code or 'none'}"


Answer = Success | Problem | NeverSent | NoReply


class Checkout:
    """Asks Adyen with one API key; any number of threads may use it."""

    def __init__(self, base_url: str, api_key: str, timeout_s: float) -> None:
        """``timeout_s`` bounds an exchange as a whole."""
        self._transport = Transport(base_url, timeout_s)
        client: Any = AdyenClient(xapikey=api_key, platform="test", application_name="payflow")
        client.http_client = _LibraryTransport(self._transport, urlsplit(base_url).path)
        client.http_init = True
        api = AdyenCheckoutApi(client=client)
        payments, modifications = api.payments_api, api.modifications_api
        payments.baseUrl = modifications.baseUrl = f"/{VERSION}"
        self._endpoints: dict[Endpoint, Callable[..., Any]] = {
            Endpoint.PAYMENTS: payments.payments,
            Endpoint.DETAILS: payments.payments_details,
            Endpoint.CAPTURES: modifications.capture_authorised_payment,
            Endpoint.CANCELS: modifications.cancel_authorised_payment_by_psp_reference,
            Endpoint.REFUNDS: modifications.refund_captured_payment,
            Endpoint.TECHNICAL_CANCELS: modifications.cancel_authorised_payment,
        }

    def close(self) -> None:
        """Closes the idle connections."""
        self._transport.close()

    def ask(self, request: Request) -> Answer:
        """Sends it once, or a second time at once where a connection broke; never raises."""
        path = (quote(request.payment_id, safe=""),) if request.payment_id else ()
        try:
            result = self._endpoints[request.endpoint](
                request.body, *path, idempotency_key=request.idempotency_key
            )
        except _NotAnsweredError as not_answered:
            return not_answered.why
        except AdyenAPIResponseError as refused:
            return _problem(refused)
        return Success(result.message)


class _NotAnsweredError(Exception):
    def __init__(self, why: NeverSent | NoReply) -> None:
        super().__init__(why.detail)
        self.why = why


class _LibraryTransport:
    """The library's HTTP client: what it calls, and what it expects back."""

    user_agent = "payflow"

    def __init__(self, transport: Transport, base_path: str) -> None:
        self._transport = transport
        self._base_path = base_path

    def request(
        self, method: str, path: str, json: object, xapikey: str, headers: Mapping[str, str]
    ) -> tuple[str, object, int, Mapping[str, str]]:
        """The body, the request, the status and the headers of an answer that is a JSON object."""
        reply = self._transport.exchange(
            method,
            f"{self._base_path}{path}",
            {**headers, "x-api-key": xapikey, "Content-Type": "application/json"},
            msgspec.json.encode(json),
        )
        if not isinstance(reply, Reply):
            raise _NotAnsweredError(reply)
        if reply.repeated and reply.status >= 400:
            # The first request may have been executed: that its repeat was refused says nothing of it.
            raise _NotAnsweredError(NoReply(f"HTTP {reply.status} to a repeat", broken=True))
        return _json_object(reply.body), json, reply.status, reply.headers


def _json_object(body: bytes) -> str:
    """The body as the library may read it: whatever a proxy or another server says is an empty object."""
    try:
        msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.MsgspecError, RecursionError):
        return "{}"
    return body.decode()


def _problem(error: AdyenAPIResponseError) -> Problem:
    said = error.message if isinstance(error.message, dict) else {}
    return Problem(
        error.status_code,
        str(said.get("errorCode") or ""),
        str(said.get("errorType") or ""),
        str(error.headers.get("transient-error")).lower() == "true",
    )
