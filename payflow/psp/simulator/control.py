"""The part of the HTTP API that is for operators and auditors; no fault and no outage meets it."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from payflow.psp.simulator.psp import Psp
from payflow.psp.simulator.replies import as_json, refused
from payflow.psp.simulator.settling import NotWaitingError

ROWS_PER_PAGE_MAX = 10_000


class _Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    after: int = 0
    limit: int = ROWS_PER_PAGE_MAX


class _PayerActs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    succeeds: bool | None = None


class Control:
    """Lists what was done, and changes what will be."""

    def __init__(self, psp: Psp, wake: Callable[[], None]) -> None:
        """``wake`` says that something may be due now."""
        self._psp = psp
        self._wake = wake

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Its routes."""
        router.add_get("/effects", self._effects)
        router.add_get("/executions", self._executions)
        router.add_get("/deliveries", self._deliveries)
        router.add_get("/behaviour", self._show_behaviour)
        router.add_put("/behaviour", self._change_behaviour)
        router.add_post("/payments/{payment_id}/complete", self._complete)
        router.add_get("/health", self._health)

    async def _effects(self, request: web.Request) -> web.Response:
        return as_json({"effects": self._psp.effects.page(*_page(request))})

    async def _executions(self, request: web.Request) -> web.Response:
        return as_json({"executions": self._psp.executions.page(*_page(request))})

    async def _deliveries(self, request: web.Request) -> web.Response:
        found, waiting = self._psp.deliveries.page(*_page(request)), self._psp.deliveries.waiting()
        return as_json({"deliveries": found, "waiting": waiting})

    async def _show_behaviour(self, _: web.Request) -> web.Response:
        return as_json(self._psp.controls.behaviour)

    async def _change_behaviour(self, request: web.Request) -> web.Response:
        self._psp.controls.change(msgspec.json.decode(await request.read(), type=dict[str, Any]))
        self._wake()
        return as_json(self._psp.controls.behaviour)

    async def _complete(self, request: web.Request) -> web.Response:
        acts = msgspec.json.decode(await request.read() or b"{}", type=_PayerActs)
        try:
            outcome = self._psp.settling.payer_acts(request.match_info["payment_id"], acts.succeeds)
        except NotWaitingError:
            message = "No payment with this id waits for its payer."
            return refused(HTTPStatus.CONFLICT, "not_waiting", message)
        self._wake()
        return as_json(outcome)

    async def _health(self, _: web.Request) -> web.Response:
        return as_json({"status": "ok"})


def _page(request: web.Request) -> tuple[int, int]:
    page = msgspec.convert(dict(request.query), _Page, strict=False)
    return page.after, min(max(page.limit, 1), ROWS_PER_PAGE_MAX)
