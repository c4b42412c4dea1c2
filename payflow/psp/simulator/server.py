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
GET /executions?after=&limit=         the same with the requests that moved nothing, such as declines
GET, PUT /behaviour                   see ``behaviour``; PUT sets what is absent to its start value
GET /health                           alive
====================================  ===============================================================

The field ``result`` of an answer tells what came of it: ``approved`` and ``requires_action`` (200),
``declined`` (402), ``shut_out`` (410), ``not_found`` (404, look-up only), ``refused`` (400, or the
status of a fault in HTTP itself), which is not kept under the key. ``answers`` has their fields.

Inside the key window a repeat of a request is answered as the first was, and another request with its
key is refused with code ``key_reused``. Outside of it the key is forgotten and a repeat is executed
again; its entry in the list of effects has an ``execution`` greater than 1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import msgspec
from aiohttp import web

from payflow.psp.simulator.acquirer import Acquirer
from payflow.psp.simulator.answers import Answer, Refused
from payflow.psp.simulator.behaviour import Behaviour
from payflow.psp.simulator.cards import Delivery, card
from payflow.psp.simulator.requests import Key, Operation, read_instruction

BODY_BYTES_MAX = 16_384
BODY_READ_TIMEOUT_S = 10
REQUESTS_MAX = 4_000
EXECUTIONS_PER_PAGE_MAX = 10_000
SILENCE_MAX_S = 600

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Answers requests on one event loop, where a request that hangs costs next to nothing.

    aiohttp, because ASGI has no word for what a failing PSP does: closing a connection unanswered.
    """

    def __init__(self, acquirer: Acquirer) -> None:
        """``acquirer.behaviour`` is what a PUT of the behaviour starts from."""
        self._acquirer = acquirer
        self._initial = acquirer.behaviour
        self._stopping = asyncio.Event()
        self._requests = 0

    def application(self) -> web.Application:
        """The routes and limits."""
        application = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[self._bounded])
        router = application.router
        for operation in Operation:
            router.add_post(f"/{operation}", self._operation(operation))
        router.add_get("/operations", self._look_up)
        router.add_post("/shut-out", self._shut_out)
        router.add_get("/effects", self._effects)
        router.add_get("/executions", self._executions)
        router.add_get("/behaviour", self._show_behaviour)
        router.add_put("/behaviour", self._change_behaviour)
        router.add_get("/health", self._health)
        return application

    def stop_hanging(self) -> None:
        """Cuts the connections of requests that hang, so that the process can end."""
        self._stopping.set()

    def _operation(self, operation: Operation) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            asked = read_instruction(operation, await _body(request))
            delivery = Delivery.ANSWERED
            if operation is Operation.AUTHORIZE:
                delivery = card(asked.payment_method).delivery
            if delivery is Delivery.LOST:
                return await self._silence(request)
            answer = self._acquirer.execute(operation, asked)
            if delivery is Delivery.UNANSWERED:
                return await self._silence(request)
            return await self._deliver(request, answer)

        return handle

    async def _look_up(self, request: web.Request) -> web.StreamResponse:
        key = msgspec.convert(dict(request.query), Key)
        return await self._deliver(request, self._acquirer.look_up(key))

    async def _shut_out(self, request: web.Request) -> web.StreamResponse:
        key = msgspec.json.decode(await _body(request), type=Key)
        return await self._deliver(request, self._acquirer.shut_out(key))

    async def _effects(self, request: web.Request) -> web.StreamResponse:
        return _json({"effects": self._acquirer.executions(*_page(request), moved_only=True)})

    async def _executions(self, request: web.Request) -> web.StreamResponse:
        return _json({"executions": self._acquirer.executions(*_page(request), moved_only=False)})

    async def _show_behaviour(self, _: web.Request) -> web.StreamResponse:
        return _json(self._acquirer.behaviour)

    async def _change_behaviour(self, request: web.Request) -> web.StreamResponse:
        changes = msgspec.json.decode(await _body(request), type=dict[str, float])
        initial: dict[str, float] = msgspec.to_builtins(self._initial)
        self._acquirer.behaviour = msgspec.convert(initial | changes, Behaviour)
        return _json(self._acquirer.behaviour)

    async def _health(self, _: web.Request) -> web.StreamResponse:
        return _json({"status": "ok"})

    async def _deliver(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        """Answers, late where the behaviour says so."""
        if self._acquirer.behaviour.hang_s and await self._stopped_within(self._acquirer.behaviour.hang_s):
            return _cut(request)
        return _json(answer, answer.http_status)

    async def _silence(self, request: web.Request) -> web.StreamResponse:
        """Holds the connection until the caller gives up, which cancels the handler."""
        await self._stopped_within(SILENCE_MAX_S)
        return _cut(request)

    async def _stopped_within(self, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._stopping.wait()
        except TimeoutError:
            return False

    @web.middleware
    async def _bounded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Bounds the requests under way and turns what is wrong with one into an answer."""
        if self._requests >= REQUESTS_MAX:
            return _refused(HTTPStatus.SERVICE_UNAVAILABLE, "overloaded", "Too many requests under way.")
        self._requests += 1
        try:
            return await handler(request)
        except msgspec.MsgspecError as error:
            return _refused(HTTPStatus.BAD_REQUEST, "invalid_request", str(error))
        except web.HTTPClientError as error:
            return _refused(error.status, "invalid_request", error.reason)
        finally:
            self._requests -= 1


async def _body(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(BODY_READ_TIMEOUT_S):
            return await request.read()
    except TimeoutError as error:
        raise web.HTTPRequestTimeout from error


class _Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    after: int = 0
    limit: int = EXECUTIONS_PER_PAGE_MAX


def _page(request: web.Request) -> tuple[int, int]:
    page = msgspec.convert(dict(request.query), _Page, strict=False)
    return page.after, min(max(page.limit, 1), EXECUTIONS_PER_PAGE_MAX)


def _cut(request: web.Request) -> web.StreamResponse:
    """Closes the connection without a word; the response has no one left to go to."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)


def _json(value: object, status: int = HTTPStatus.OK) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")


def _refused(status: int, code: str, message: str) -> web.Response:
    return _json(Refused(code, message), status)
