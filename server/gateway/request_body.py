"""Reading request bodies within bounds."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from payflow.domain.errors import PayFlowError, Reason
from server.gateway.asgi import Receive
from server.gateway.request_headers import Headers


class ClientDisconnected(Exception):
    """The caller went away before the request was complete."""


async def read_body(receive: Receive, headers: Headers, bytes_max: int, timeout_s: float) -> bytes:
    """The whole body.

    Raises REQUEST_TOO_LARGE without reading on, DEADLINE_EXCEEDED when it does not arrive in time, and
    ClientDisconnected.
    """
    declared = headers.get("content-length")
    if declared is None and "transfer-encoding" not in headers:
        return b""
    if declared is not None and int(declared[0]) > bytes_max:
        raise _too_large(bytes_max)
    try:
        async with asyncio.timeout(timeout_s):
            return await _read(receive, bytes_max)
    except TimeoutError:
        raise PayFlowError(
            Reason.DEADLINE_EXCEEDED, f"the body did not arrive within {timeout_s:g} seconds"
        ) from None


async def discard_body(receive: Receive, bytes_max: int, timeout_s: float) -> None:
    """Takes what the caller still sends, so that closing the connection does not destroy the answer."""
    received = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            while received < bytes_max:
                message = await receive()
                if message["type"] != "http.request" or not message["more_body"]:
                    return
                received += len(message["body"])


async def _read(receive: Receive, bytes_max: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnected
        body += message["body"]
        if len(body) > bytes_max:
            raise _too_large(bytes_max)
        if not message["more_body"]:
            return bytes(body)


def _too_large(bytes_max: int) -> PayFlowError:
    return PayFlowError(Reason.REQUEST_TOO_LARGE, f"the body is larger than {bytes_max} bytes")
