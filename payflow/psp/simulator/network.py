"""What a request meets on its way to the simulated PSP and back: outages, faults, latency."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from payflow.psp.simulator import tokens
from payflow.psp.simulator.answers import Answer, Overloaded
from payflow.psp.simulator.chance import Chance
from payflow.psp.simulator.controls import Controls
from payflow.psp.simulator.executions import Executions
from payflow.psp.simulator.faults import Fault
from payflow.psp.simulator.replies import as_json, cut, refused
from payflow.psp.simulator.requests import Key
from payflow.psp.simulator.tokens import Method

SILENCE_MAX_S = 600
ON_THE_WAY_MAX = 4_000


@dataclass(frozen=True, slots=True)
class Passage:
    """A request on its way: ``kind`` is how it is counted, ``act`` executes it and answers."""

    key: Key
    kind: str
    act: Callable[[], Answer]
    method: Method = tokens.PLAIN


class Network:
    """Carries requests on one event loop, where one that hangs costs next to nothing."""

    def __init__(self, controls: Controls, executions: Executions) -> None:
        self._controls = controls
        self._executions = executions
        self._stopping = asyncio.Event()
        self._on_the_way: set[asyncio.Future[Answer | None]] = set()

    def stop_hanging(self) -> None:
        """Cuts the connections of requests that hang, so that the process can end."""
        self._stopping.set()

    async def carry(self, request: web.Request, passage: Passage) -> web.StreamResponse:
        """The answer, or whatever comes instead of it."""
        behaviour = self._controls.behaviour
        if outage := behaviour.outage_at(self._controls.now()):
            return cut(request) if outage.how == "closed" else _unavailable()
        if len(self._on_the_way) >= ON_THE_WAY_MAX:
            return overloaded()
        count = self._executions.count(passage.key, passage.kind)
        chance = Chance(behaviour.seed, passage.key.reference, count)
        fault = passage.method.fault_at(count) or behaviour.faults.at(chance.share(f"{passage.kind} fault"))
        latency_s = behaviour.latency.seconds(chance.share(f"{passage.kind} latency"))
        half_s = (latency_s + passage.method.slow_s) / 2
        if fault and fault.is_before:
            return await self._fail(request, fault, half_s)
        answer = await self._executed(passage.act, half_s)
        if answer is None:
            return cut(request)
        if fault:
            return await self._fail(request, fault, half_s)
        if await self._stopped_within(half_s + behaviour.hang_s):
            return cut(request)
        return as_json(answer, answer.http_status)

    async def _executed(self, act: Callable[[], Answer], after_s: float) -> Answer | None:
        """Executes a request when it arrives, even when its caller has given up by then.

        None for one that was still on its way at the end of the process.
        """
        if not after_s:
            return act()
        arriving = asyncio.ensure_future(self._arrive(act, after_s))
        self._on_the_way.add(arriving)
        arriving.add_done_callback(self._on_the_way.discard)
        return await asyncio.shield(arriving)

    async def _arrive(self, act: Callable[[], Answer], after_s: float) -> Answer | None:
        return None if await self._stopped_within(after_s) else act()

    async def _fail(self, request: web.Request, fault: Fault, after_s: float) -> web.StreamResponse:
        match fault:
            case Fault.TIMEOUT_BEFORE | Fault.TIMEOUT_AFTER:
                # The connection is held until the caller gives up, which cancels the handler.
                if await self._stopped_within(SILENCE_MAX_S):
                    return cut(request)
                # What a proxy in between says in the end. It is no news of the request.
                return web.Response(status=HTTPStatus.REQUEST_TIMEOUT)
            case Fault.OVERLOADED:
                return overloaded()
            case Fault.RESET_BEFORE | Fault.RESET_AFTER:
                await self._stopped_within(after_s)
                return cut(request)
            case Fault.ERROR_BEFORE | Fault.ERROR_AFTER:
                await self._stopped_within(after_s)
                message = "Something went wrong."
                return refused(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", message)

    async def _stopped_within(self, timeout_s: float) -> bool:
        if not timeout_s:
            return False
        try:
            async with asyncio.timeout(timeout_s):
                return await self._stopping.wait()
        except TimeoutError:
            return False


def overloaded() -> web.Response:
    """The answer to a request that nothing was done about, because there are too many."""
    return as_json(Overloaded(), Overloaded.http_status)


def _unavailable() -> web.Response:
    return refused(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "The service is down.")
