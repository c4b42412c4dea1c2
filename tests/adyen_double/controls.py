"""What a test or an auditor asks of the double itself."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

from tests.adyen_double.authorising import Authorising
from tests.adyen_double.deliveries import Deliveries
from tests.adyen_double.faults import Fault, Faults
from tests.adyen_double.modifying import Modifying
from tests.adyen_double.store import Store

Body = TypeVar("Body")


class _Sending(Struct, forbid_unknown_fields=True):
    holds: bool = False
    items_per_delivery: int = 1


class _Deliveries(Struct, forbid_unknown_fields=True):
    webhooks: list[int]
    together: bool = False


class _Failure(Struct, forbid_unknown_fields=True):
    psp_reference: str
    event_code: str


class _Decision(Struct, forbid_unknown_fields=True):
    psp_reference: str
    approved: bool


class _Expiry(Struct, forbid_unknown_fields=True):
    psp_reference: str


class Controls:
    """The endpoints under ``/control``; ``server`` documents them."""

    def __init__(
        self,
        store: Store,
        authorising: Authorising,
        modifying: Modifying,
        deliveries: Deliveries,
        faults: Faults,
    ) -> None:
        self._store = store
        self._authorising = authorising
        self._modifying = modifying
        self._deliveries = deliveries
        self._faults = faults

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Adds the routes."""
        router.add_get("/control/effects", self._effects)
        router.add_get("/control/webhooks", self._webhooks)
        router.add_put("/control/webhooks", self._send_so)
        router.add_post("/control/deliveries", self._deliver)
        router.add_get("/control/faults", self._faults_left)
        router.add_post("/control/faults", self._fault)
        router.add_post("/control/failures", self._fail)
        router.add_post("/control/decisions", self._decide)
        router.add_post("/control/expiries", self._expire)
        router.add_get("/control/health", self._health)

    async def _effects(self, _: web.Request) -> web.Response:
        return web.json_response({"effects": self._store.effects()})

    async def _webhooks(self, _: web.Request) -> web.Response:
        return web.json_response({"webhooks": msgspec.to_builtins(self._store.webhooks())})

    async def _send_so(self, request: web.Request) -> web.Response:
        asked = await _body(request, _Sending)
        self._deliveries.holds = asked.holds
        self._deliveries.items_per_delivery = asked.items_per_delivery
        return _done(True)

    async def _deliver(self, request: web.Request) -> web.Response:
        asked = await _body(request, _Deliveries)
        return web.json_response({"statuses": await self._deliveries.deliver(asked.webhooks, asked.together)})

    async def _fault(self, request: web.Request) -> web.Response:
        self._faults.add(await _body(request, Fault))
        return _done(True)

    async def _faults_left(self, _: web.Request) -> web.Response:
        return web.json_response({"left": self._faults.left()})

    async def _fail(self, request: web.Request) -> web.Response:
        asked = await _body(request, _Failure)
        with self._store.transaction():
            return _done(self._modifying.fail_later(asked.psp_reference, asked.event_code))

    async def _decide(self, request: web.Request) -> web.Response:
        asked = await _body(request, _Decision)
        with self._store.transaction():
            return _done(self._authorising.decide(asked.psp_reference, asked.approved))

    async def _expire(self, request: web.Request) -> web.Response:
        asked = await _body(request, _Expiry)
        with self._store.transaction():
            return _done(self._modifying.expire(asked.psp_reference))

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})


async def _body(request: web.Request, of_type: type[Body]) -> Body:
    try:
        return msgspec.json.decode(await request.read(), type=of_type)
    except msgspec.MsgspecError as error:
        raise web.HTTPBadRequest(text=str(error)) from None


def _done(done: bool) -> web.Response:
    return web.json_response({"done": done}, status=200 if done else 409)
