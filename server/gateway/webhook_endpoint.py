"""Takes PSPs' webhooks in, `POST /webhooks/{psp_account}`: the body is handed on as it came."""

from __future__ import annotations

import asyncio
import re

from payflow.domain.errors import invalid_field
from payflow.v1 import webhook_pb2 as pb
from server.gateway.backend import Backend
from server.gateway.in_flight import InFlight
from server.gateway.reply import Reply, json_reply
from server.gateway.request import Request
from server.gateway.request_headers import Headers, trace_metadata
from server.gateway.request_message import path_text, query_parameters

WEBHOOK_PATH = re.compile(r"/webhooks/([^/]+)")

_RPC = pb.DESCRIPTOR.services_by_name["WebhookService"].methods_by_name["ReceiveWebhook"]
_ACCOUNT = "psp_account_id"
_MERCHANT = "merchant_id"
_TEXT = {"content-type": "text/plain; charset=utf-8"}

# They speak of the connection, of the answer or of a browser, so no PSP signs them or signs with them.
_NEVER_OF_A_SIGNATURE = re.compile(
    r"connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|proxy-.*|accept.*|cache-control|pragma"
    r"|content-length|cookie|origin|referer|sec-.*|user-agent|forwarded|x-forwarded-.*|via"
)


class WebhookEndpoint:
    """Hands webhooks to the gRPC server, with at most ``in_flight_max`` at once.

    No key of the API's is asked for: a PSP has none, and its signature stands for it.
    """

    def __init__(self, backend: Backend, in_flight_max: int) -> None:
        self._backend = backend
        self._in_flight = InFlight(in_flight_max)

    async def answer(self, request: Request) -> Reply:
        """What the PSP wants to hear. Raises PayFlowError and grpc.aio.AioRpcError."""
        message = _message(request)
        metadata = trace_metadata(request.headers, request.correlation_id)
        with self._in_flight.one():
            timeout_s = request.deadline - asyncio.get_running_loop().time()
            response, _ = await self._backend.call(_RPC, message, timeout_s, metadata)
        assert isinstance(response, pb.ReceiveWebhookResponse)
        if response.reply:
            return Reply(200, response.reply.encode(), _TEXT)
        return json_reply(200, {"received": True})


def _message(request: Request) -> pb.ReceiveWebhookRequest:
    found = WEBHOOK_PATH.fullmatch(request.raw_path)
    assert found is not None, "requests with other paths are not for this endpoint"
    return pb.ReceiveWebhookRequest(
        psp_account_id=path_text(_ACCOUNT, found[1]),
        merchant_id=_merchant_id(request.query),
        headers=_signing_headers(request.headers),
        body=request.body,
    )


def _merchant_id(query: bytes) -> str:
    parameters = query_parameters(query)
    for position, (name, _) in enumerate(parameters):
        if name != _MERCHANT:
            raise invalid_field(name, "is not a parameter of this call")
        if position:
            raise invalid_field(name, "is given more than once")
    return parameters[0][1] if parameters else ""


def _signing_headers(headers: Headers) -> dict[str, str]:
    """Those that a signature may be in, or cover; a repeated one as one, as RFC 9110, 5.3, allows."""
    return {
        name: ", ".join(values)
        for name, values in headers.items()
        if not _NEVER_OF_A_SIGNATURE.fullmatch(name)
    }
