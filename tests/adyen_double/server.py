"""The HTTP API of the double.

What it has of Adyen's, under ``/v71``: ``POST /payments``, ``/payments/details``,
``/payments/{pspReference}/captures``, ``…/cancels``, ``…/refunds``, and ``/cancels``; and the page that a
payer is sent to, ``GET /threeds/{pspReference}``, which sends them back with a redirectResult
(``?outcome=failed`` for one who cannot prove who they are).

What is only the double's, with JSON bodies and answers:

=================================  ==================================================================
GET /control/effects               what moved, in order: ``effect``, ``reference``, ``payment``,
                                   ``psp_reference``, ``value``, ``currency``
GET /control/webhooks              every item: ``id``, ``item``, ``accepted``
PUT /control/webhooks              ``holds``: send nothing by itself; ``items_per_delivery``
POST /control/deliveries           ``webhooks``: ids, sent now in this order and as often as named;
                                   ``together``: in one delivery. Answers the HTTP statuses, 0 for
                                   nobody there
POST /control/faults               see ``faults``; GET says how many requests are still to meet one
POST /control/failures             ``psp_reference`` of a capture or refund that had succeeded, and
                                   ``event_code``: CAPTURE_FAILED, REFUND_FAILED, REFUNDED_REVERSED
POST /control/decisions            ``psp_reference`` of a payment that was received; ``approved``
POST /control/expiries             ``psp_reference`` of a payment whose authorisation runs out
GET /control/health                alive
=================================  ==================================================================
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from tests.adyen_double.answers import IN_PROGRESS, INTERNAL, OVERLOADED, UNAUTHORIZED, Answer, error
from tests.adyen_double.authorising import FAILED, PASSED, Authorising
from tests.adyen_double.controls import Controls
from tests.adyen_double.deliveries import Deliveries
from tests.adyen_double.faults import Fault, Faults, Kind
from tests.adyen_double.modifying import Modifying
from tests.adyen_double.reading import read
from tests.adyen_double.store import Store

KEY_LENGTH_MAX = 64

Act = Callable[[web.Request, Mapping[str, Any]], Answer]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Answers one request at a time, so that two with one key never run side by side."""

    def __init__(
        self,
        store: Store,
        authorising: Authorising,
        modifying: Modifying,
        deliveries: Deliveries,
        api_key: str,
        merchant_account: str,
    ) -> None:
        self._store = store
        self._authorising = authorising
        self._modifying = modifying
        self._deliveries = deliveries
        self._api_key = api_key
        self._merchant_account = merchant_account
        self._faults = Faults()
        self._in_progress: set[str] = set()
        self._stopping = asyncio.Event()

    def application(self) -> web.Application:
        """The routes."""
        application = web.Application()
        router, payment = application.router, "/v71/payments/{payment}"
        router.add_post("/v71/payments", self._endpoint("payments", self._pay))
        router.add_post(
            "/v71/payments/details",
            self._endpoint("details", lambda _, asked: self._authorising.go_on(asked)),
        )
        router.add_post(f"{payment}/captures", self._endpoint("captures", _of(self._modifying.capture)))
        router.add_post(f"{payment}/cancels", self._endpoint("cancels", _of(self._modifying.cancel)))
        router.add_post(f"{payment}/refunds", self._endpoint("refunds", _of(self._modifying.refund)))
        router.add_post(
            "/v71/cancels",
            self._endpoint("technical_cancels", lambda _, asked: self._modifying.technical_cancel(asked)),
        )
        router.add_get("/threeds/{payment}", self._challenge)
        Controls(self._store, self._authorising, self._modifying, self._deliveries, self._faults).add_to(
            router
        )
        return application

    def stop_hanging(self) -> None:
        """Cuts the connections of requests that hang, so that the process can end."""
        self._stopping.set()

    def _pay(self, request: web.Request, asked: Mapping[str, Any]) -> Answer:
        base = f"{request.scheme}://{request.host}"
        return self._authorising.pay(asked, lambda psp_reference: f"{base}/threeds/{psp_reference}")

    async def _challenge(self, request: web.Request) -> web.StreamResponse:
        """The payer's page, on which nothing needs to be filled in."""
        psp_reference = request.match_info["payment"]
        return_url = self._authorising.return_url(psp_reference)
        if return_url is None:
            raise web.HTTPNotFound
        outcome = FAILED if request.query.get("outcome") == FAILED else PASSED
        query = urlencode({"redirectResult": f"{psp_reference}!{outcome}"})
        raise web.HTTPFound(f"{return_url}{'&' if '?' in return_url else '?'}{query}")

    def _endpoint(self, name: str, act: Act) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            if request.headers.get("x-api-key") != self._api_key:
                return _response(request, UNAUTHORIZED)
            fault = self._faults.next_for(name)
            if fault and (kept_out := await self._kept_out(request, fault)):
                return kept_out
            body = await request.read()
            answer = await self._once(request, fault, lambda: self._execute(name, request, body, act))
            return await self._answered(request, answer, fault)

        return handle

    async def _kept_out(self, request: web.Request, fault: Fault) -> web.StreamResponse | None:
        """What a fault answers without anything having been executed."""
        match fault.kind:
            case Kind.RESET_BEFORE:
                return _cut(request)
            case Kind.HANG_BEFORE:
                return await self._silence(request)
            case Kind.ERROR_BEFORE:
                return _response(request, msgspec.structs.replace(INTERNAL, transient=True))
            case Kind.OVERLOADED:
                return _response(request, OVERLOADED)
            case _:
                return None

    async def _once(self, request: web.Request, fault: Fault | None, act: Callable[[], Answer]) -> Answer:
        key = request.headers.get("idempotency-key", "")
        if key in self._in_progress:
            return IN_PROGRESS
        if key:
            self._in_progress.add(key)
        try:
            if fault and fault.kind is Kind.SLOW:
                await asyncio.sleep(fault.delay_s)
            return act()
        finally:
            self._in_progress.discard(key)

    def _execute(self, name: str, request: web.Request, body: bytes, act: Act) -> Answer:
        """Executes a request, or answers what a request with its key was answered."""
        key = request.headers.get("idempotency-key", "")
        if len(key) > KEY_LENGTH_MAX:
            return error(400, "702", f"Idempotency-Key is longer than {KEY_LENGTH_MAX} characters")
        with self._store.transaction():
            kept = self._store.answer(key) if key else None
            if kept is not None:
                return kept
            asked = read(name, body, self._merchant_account)
            answer = asked if isinstance(asked, Answer) else act(request, asked)
            if key:
                self._store.put_answer(key, answer)
            return answer

    async def _answered(
        self, request: web.Request, answer: Answer, fault: Fault | None
    ) -> web.StreamResponse:
        match fault.kind if fault else None:
            case Kind.RESET_AFTER:
                return _cut(request)
            case Kind.HANG_AFTER:
                return await self._silence(request)
            case Kind.ERROR_AFTER:
                return _response(request, INTERNAL)
            case _:
                return _response(request, answer)

    async def _silence(self, request: web.Request) -> web.StreamResponse:
        """Says nothing until the process ends; the caller gives up long before."""
        await self._stopping.wait()
        return _cut(request)


def _of(modify: Callable[[str, Mapping[str, Any]], Answer]) -> Act:
    return lambda request, asked: modify(request.match_info["payment"], asked)


def _response(request: web.Request, answer: Answer) -> web.Response:
    headers = {"transient-error": "true"} if answer.transient else {}
    if key := request.headers.get("idempotency-key"):
        headers["idempotency-key"] = key
    return web.json_response(answer.body, status=answer.status, headers=headers)


def _cut(request: web.Request) -> web.StreamResponse:
    """Closes the connection without a word; the response has no one left to go to."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)
