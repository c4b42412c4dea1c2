"""Stands in front of localstripe and does what Stripe does and it does not.

A request passes through: faults that strike it as it arrives, its idempotency key, the execution, its key
again, faults that strike its answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import aiohttp
from aiohttp import web

from tests.stripe_double.answers import Answer, Object, RefusedError, error, invalid
from tests.stripe_double.events import Events
from tests.stripe_double.faults import Fault, Faults, Moment
from tests.stripe_double.form import parse
from tests.stripe_double.keys import Keys
from tests.stripe_double.payments import Payments
from tests.stripe_double.refunds import Refunds
from tests.stripe_double.upstream import Upstream

PAGE_DEFAULT, PAGE_MAX = 10, 100


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it arrived; ``name`` is its method and path."""

    name: str
    key: str
    params: Object


class CutError(Exception):
    """The connection is to be cut without an answer."""


class Front:
    """One Stripe account in test mode; all of it runs on one event loop."""

    def __init__(
        self, localstripe_url: str, client: aiohttp.ClientSession, now: Callable[[], datetime]
    ) -> None:
        self.faults = Faults()
        self.keys = Keys(now)
        self.seen: list[Seen] = []
        self.events: Events | None = None
        self._upstream = Upstream(localstripe_url, client)
        self.payments = Payments(self._upstream, now)
        self.refunds = Refunds(self._upstream, self.payments)

    def application(self) -> web.Application:
        """Takes every path."""
        application = web.Application()
        application.router.add_get("/3d_secure/{payment_id}", self._authenticated)
        application.router.add_route("*", "/{path:.*}", self._handle)
        return application

    async def forget(self) -> None:
        """Back to an account with nothing in it."""
        self.faults.clear()
        self.keys.clear()
        self.seen.clear()
        self.payments.clear()
        self.refunds.clear()
        await self._upstream.forget()

    async def refund_becomes(self, refund_id: str, status: str, failure_reason: str | None) -> None:
        """Changes a refund, as a bank does, and tells so."""
        self.refunds.become(refund_id, status, failure_reason)
        if self.events is not None:
            kind = "refund.failed" if status == "failed" else "refund.updated"
            self.events.send(kind, await self.refunds.shown(refund_id))

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        text = request.query_string if request.method == "GET" else await request.text()
        key = request.headers.get("Idempotency-Key", "")
        seen = Seen(f"{request.method} {request.path}", key, parse(text))
        self.seen.append(seen)
        try:
            answer = await self._answer(request, seen, text)
        except CutError:
            assert request.transport is not None
            request.transport.abort()
            return web.Response(status=503)
        headers = {"Request-Id": "req_double"} | (
            {"Idempotent-Replayed": "true"} if answer.is_replayed else {}
        )
        return web.json_response(answer.body, status=answer.status, headers=headers)

    async def _authenticated(self, request: web.Request) -> web.StreamResponse:
        """The page that a payer is sent to: authenticates at once, or fails to with ``?fails``."""
        payment_id = request.match_info["payment_id"]
        payment = await self.payments.authenticate(payment_id, succeeds="fails" not in request.query)
        if self.events is not None:
            self.events.tell(Answer(200, payment))
        raise web.HTTPFound(self.payments.return_url(payment_id))

    async def _answer(self, request: web.Request, seen: Seen, text: str) -> Answer:
        if not request.headers.get("Authorization", "").startswith("Bearer sk_test_"):
            return error(401, "invalid_request_error", is_kept=False)
        arriving = self.faults.take(seen.name, Moment.ARRIVING)
        await _strike(arriving)
        if arriving is not None and arriving.answer is not None:
            return arriving.answer
        if not seen.key:
            return await self._refused_or_executed(seen)
        kept = self.keys.begin(seen.key, f"{seen.name}?{text}")
        return kept if kept is not None else await self._kept(seen)

    async def _kept(self, seen: Seen) -> Answer:
        keyed = self.faults.take(seen.name, Moment.KEYED)
        executed = self.faults.take(seen.name, Moment.EXECUTED)
        await _strike(keyed)
        if keyed is not None and keyed.answer is not None:
            answer = keyed.answer
        else:
            answer = await self._refused_or_executed(_without_confirm(seen, executed))
        if executed is not None and executed.answer is not None:
            answer = executed.answer
        if executed is None or executed.hold is None:
            self.keys.finish(seen.key, answer)
            await _strike(executed)
        else:
            await _strike(executed)
            self.keys.finish(seen.key, answer)
        return answer

    async def _refused_or_executed(self, seen: Seen) -> Answer:
        try:
            answer = await self._executed(seen)
        except RefusedError as refused:
            return refused.answer
        if self.events is not None and seen.name.startswith("POST"):
            self.events.tell(answer)
        return answer

    async def _executed(self, seen: Seen) -> Answer:
        match seen.name.split("/"):
            case ["POST ", "v1", "payment_intents"]:
                return await self.payments.create(seen.params)
            case ["GET ", "v1", "payment_intents"]:
                return _page(await self.payments.listed(seen.params), seen.params)
            case ["GET ", "v1", "payment_intents", payment_id]:
                return Answer(200, await self.payments.shown(payment_id, seen.params))
            case ["POST ", "v1", "payment_intents", payment_id, "confirm"]:
                return await self.payments.confirm(payment_id, seen.params)
            case ["POST ", "v1", "payment_intents", payment_id, "capture"]:
                return await self.payments.capture(payment_id, seen.params)
            case ["POST ", "v1", "payment_intents", payment_id, "cancel"]:
                return await self.payments.cancel(payment_id, seen.params)
            case ["POST ", "v1", "refunds"]:
                return await self.refunds.create(seen.params)
            case ["GET ", "v1", "refunds"]:
                return _page(await self.refunds.listed(seen.params), seen.params)
            case ["GET ", "v1", "refunds", refund_id]:
                return Answer(200, await self.refunds.shown(refund_id))
            case _:
                return invalid(None, status=404, is_kept=False)


def _without_confirm(seen: Seen, fault: Fault | None) -> Seen:
    if fault is None or not fault.loses_confirm:
        return seen
    return replace(seen, params={name: value for name, value in seen.params.items() if name != "confirm"})


async def _strike(fault: Fault | None) -> None:
    """Waits, or raises CutError, where the fault says so."""
    if fault is None or fault.answer is not None:
        return
    if fault.hold is None:
        raise CutError
    fault.hold.reached.set()
    await fault.hold.go.wait()


def _page(found: list[Object], params: Object) -> Answer:
    ids = [one["id"] for one in found]
    start = ids.index(params["starting_after"]) + 1 if "starting_after" in params else 0
    limit = min(int(params.get("limit", PAGE_DEFAULT)), PAGE_MAX)
    data, has_more = found[start : start + limit], len(found) > start + limit
    return Answer(200, {"object": "list", "data": data, "has_more": has_more})
