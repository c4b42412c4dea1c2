"""HTTP answers, and connections that end without one."""

from __future__ import annotations

from http import HTTPStatus

import msgspec
from aiohttp import web

from payflow.psp.simulator.answers import Refused


def as_json(value: object, status: int = HTTPStatus.OK) -> web.Response:
    """``value`` as a JSON body."""
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")


def refused(status: int, code: str, message: str) -> web.Response:
    """A request that nothing was done about."""
    return as_json(Refused(code, message), status)


def cut(request: web.Request) -> web.StreamResponse:
    """Closes the connection without a word; the response has no one left to go to."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
