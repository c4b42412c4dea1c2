"""What the gateway answers without an RPC of the contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from google.rpc import code_pb2

from server.gateway.app import Endpoint
from server.gateway.backend import Backend
from server.gateway.errors import bare_reply
from server.gateway.reply import Reply, json_reply
from server.gateway.request import Request


def own_endpoints(backend: Backend, openapi_document: Callable[[], dict[str, Any]]) -> Mapping[str, Endpoint]:
    """The endpoints by path; all of them are GETs. The document is made on first use."""

    @cache
    def openapi_reply() -> Reply:
        return json_reply(200, openapi_document())

    async def health(_: Request) -> Reply:
        return json_reply(200, {"status": "alive"})

    async def ready(_: Request) -> Reply:
        return json_reply(200, {"status": "ready"}) if await backend.is_ready() else _not_ready()

    async def openapi(_: Request) -> Reply:
        return openapi_reply()

    return {"/health": health, "/ready": ready, "/openapi.json": openapi}


def _not_ready() -> Reply:
    return bare_reply(code_pb2.UNAVAILABLE)
