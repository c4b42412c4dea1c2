"""The gateway as an ASGI application: reads a request, has it answered, sends the answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

import grpc
from google.rpc import code_pb2

from payflow.domain.errors import PayFlowError
from server.gateway.asgi import Receive, Scope, Send
from server.gateway.errors import bare_reply, refusal_reply, rpc_error_reply
from server.gateway.limits import Limits
from server.gateway.reply import Reply
from server.gateway.request import Request
from server.gateway.request_body import ClientDisconnected, discard_body, read_body
from server.gateway.request_headers import Headers, correlation_id, grouped
from server.rpc.call import CORRELATION_ID

log = logging.getLogger(__name__)

Endpoint = Callable[[Request], Awaitable[Reply]]


class Served(NamedTuple):
    """Who answers a request, and how large its body may be."""

    endpoint: Endpoint
    body_bytes_max: int


class Gateway:
    """Answers with the endpoint that ``find`` knows for a request's method and raw path.

    ``timeout_s`` bounds a request from its head to its answer.
    """

    def __init__(self, find: Callable[[str, str], Served], limits: Limits, *, timeout_s: float) -> None:
        self._find = find
        self._limits = limits
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        headers = grouped(scope["headers"])
        correlation = correlation_id(headers)
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        http_method, raw_path = scope["method"], scope["raw_path"].decode("ascii")
        endpoint, body_bytes_max = self._find(http_method, raw_path)
        try:
            body = await self._read_body(receive, headers, body_bytes_max)
        except ClientDisconnected:
            return
        except PayFlowError as refusal:
            told = {"path": raw_path, "reason": refusal.reason.name, "correlation_id": correlation}
            log.warning("a request was refused unread", extra=told)
            await self._refuse_body(receive, send, refusal_reply(refusal), correlation)
            return
        request = Request(
            http_method,
            raw_path,
            scope["query_string"],
            headers,
            body,
            correlation,
            deadline,
        )
        reply = await _answer(endpoint, request)
        await _send_head(send, reply, {CORRELATION_ID: correlation})
        await send({"type": "http.response.body", "body": reply.body})

    async def _read_body(self, receive: Receive, headers: Headers, bytes_max: int) -> bytes:
        timeout_s = min(self._limits.body_timeout_s, self._timeout_s)
        return await read_body(receive, headers, bytes_max, timeout_s)

    async def _refuse_body(self, receive: Receive, send: Send, reply: Reply, correlation: str) -> None:
        """Answers at once and closes the connection, but not under the hands of a caller who is sending."""
        await _send_head(send, reply, {CORRELATION_ID: correlation, "connection": "close"})
        await send({"type": "http.response.body", "body": reply.body, "more_body": True})
        await discard_body(receive, self._limits.discard_bytes_max, self._limits.discard_timeout_s)
        await send({"type": "http.response.body"})


async def _answer(endpoint: Endpoint, request: Request) -> Reply:
    try:
        return await endpoint(request)
    except PayFlowError as refusal:
        return refusal_reply(refusal)
    except grpc.aio.AioRpcError as error:
        return rpc_error_reply(error)
    except Exception:
        log.exception("a request failed", extra={"correlation_id": request.correlation_id})
        return bare_reply(code_pb2.INTERNAL)


async def _send_head(send: Send, reply: Reply, headers: Mapping[str, str]) -> None:
    content = {"content-type": "application/json", "content-length": str(len(reply.body))}
    fields = {**content, **headers, **reply.headers}
    await send(
        {
            "type": "http.response.start",
            "status": reply.status,
            "headers": [(name.encode("ascii"), value.encode("ascii")) for name, value in fields.items()],
        }
    )
