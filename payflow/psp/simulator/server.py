"""The HTTP API of the simulated PSP.

Every body is a JSON object. A key is ``psp_account``, ``merchant`` and ``reference``, 1 to 255
characters each; the reference is what real PSPs call the idempotency key.

====================================  ===============================================================
POST /authorize                       opens a payment: the key's fields, ``amount`` (minor units, >= 1),
                                      ``currency``, ``payment_method``; ``sale``: true captures at once
POST /confirm                         the same payment (``payment_id``, its amount and currency) after
                                      the payer has acted
POST /capture                         ``payment_id``, ``amount``, ``currency``; once, in full or in
                                      part; the rest is released
POST /cancel                          ``payment_id``; voids what was authorized and not captured
POST /refund                          ``payment_id``, ``amount``, ``currency``; several, together no
                                      more than was captured
GET /operations                       what became of the key in the query string
POST /shut-out                        the key's fields; shuts the key out for good. One that was
                                      executed is answered as GET /operations does, and nothing changes
GET /effects?after=&limit=            what moved, in order: ``sequence`` greater than ``after``
GET /executions?after=&limit=         the same of executed requests, with those that moved nothing
GET /deliveries?after=&limit=         the same of webhooks; ``waiting`` counts those still to be sent
GET, PUT /behaviour                   see ``behaviour``; PUT sets what is absent to its start value
POST /payments/{id}/complete          the payer acts on a challenge: ``succeeds``, or as the token says
GET /health                           alive
====================================  ===============================================================

The field ``result`` of an answer tells what came of it: ``approved`` and ``requires_action`` (200),
``accepted`` (202), ``declined`` (402), ``shut_out`` (410), ``not_found`` (404, look-up only),
``overloaded`` (429; nothing was done), ``refused`` (400, or the status of a fault in HTTP itself), which
is not kept under the key. ``answers`` has their fields.

Inside the key window a repeat of a request is answered as the first was, and another request with its
key is refused with code ``key_reused``; look-ups tell what it has come to since. Outside of it the key is
forgotten and a repeat is executed again; its effect has an ``execution`` greater than 1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import msgspec
from aiohttp import web

from payflow.psp.simulator import tokens
from payflow.psp.simulator.answers import Answer
from payflow.psp.simulator.control import Control
from payflow.psp.simulator.network import Network, Passage, overloaded
from payflow.psp.simulator.psp import Psp
from payflow.psp.simulator.replies import refused
from payflow.psp.simulator.requests import Key, Operation, read_instruction

BODY_BYTES_MAX = 16_384
BODY_READ_TIMEOUT_S = 10
REQUESTS_MAX = 4_000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Answers requests on one event loop.

    aiohttp, because ASGI has no word for what a failing PSP does: closing a connection unanswered.
    """

    def __init__(self, psp: Psp, wake: Callable[[], None]) -> None:
        """``wake`` says that something may be due now."""
        self._psp = psp
        self._wake = wake
        self._network = Network(psp.controls, psp.executions)
        self._requests = 0

    def application(self) -> web.Application:
        """The routes and limits."""
        application = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[self._bounded])
        router = application.router
        for operation in Operation:
            router.add_post(f"/{operation}", self._operation(operation))
        router.add_get("/operations", self._look_up)
        router.add_post("/shut-out", self._shut_out)
        Control(self._psp, self._wake).add_routes(router)
        return application

    def stop_hanging(self) -> None:
        """Cuts the connections of requests that hang, so that the process can end."""
        self._network.stop_hanging()

    def _operation(self, operation: Operation) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            asked = read_instruction(operation, await request.read())

            def execute() -> Answer:
                answer = self._psp.acquirer.execute(operation, asked)
                self._wake()
                return answer

            is_first = operation is Operation.AUTHORIZE
            method = tokens.method(asked.payment_method) if is_first else tokens.PLAIN
            return await self._network.carry(request, Passage(asked, operation, execute, method))

        return handle

    async def _look_up(self, request: web.Request) -> web.StreamResponse:
        key = msgspec.convert(dict(request.query), Key)
        passage = Passage(key, "look_up", lambda: self._psp.acquirer.look_up(key))
        return await self._network.carry(request, passage)

    async def _shut_out(self, request: web.Request) -> web.StreamResponse:
        key = msgspec.json.decode(await request.read(), type=Key)
        passage = Passage(key, "shut_out", lambda: self._psp.acquirer.shut_out(key))
        return await self._network.carry(request, passage)

    @web.middleware
    async def _bounded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Bounds the requests under way and turns what is wrong with one into an answer."""
        if self._requests >= REQUESTS_MAX:
            return overloaded()
        self._requests += 1
        try:
            await _read_in_time(request)
            return await handler(request)
        except msgspec.MsgspecError as error:
            return refused(HTTPStatus.BAD_REQUEST, "invalid_request", str(error))
        except web.HTTPClientError as error:
            return refused(error.status, "invalid_request", error.reason)
        finally:
            self._requests -= 1


async def _read_in_time(request: web.Request) -> None:
    """Reads the body, which is kept for whoever asks for it again."""
    try:
        async with asyncio.timeout(BODY_READ_TIMEOUT_S):
            await request.read()
    except TimeoutError as error:
        raise web.HTTPRequestTimeout from error
