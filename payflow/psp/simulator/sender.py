"""Sends the webhooks that are due, each again and again until it is answered with a 2xx."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import quote

import aiohttp

from payflow.psp.simulator.controls import Controls
from payflow.psp.simulator.deliveries import Deliveries, Due, Kind
from payflow.psp.simulator.webhooks import SIGNATURE_HEADER, signature

_LOG = logging.getLogger(__name__)

TIMEOUT_S = 10
CONCURRENT_MAX = 16
BACKOFF_MAX_S = 60
# Two weeks of attempts a minute apart; who has not listened by then never will.
ATTEMPTS_MAX = 20_000
UNBELIEVABLE_S = 3_600
FORGERS_SECRET = "what a forger guesses"


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who is told: ``{psp_account}`` in ``url`` stands for the account that the event is of."""

    url: str
    secret: str = field(repr=False)

    def url_of(self, psp_account: str) -> str:
        """Where the webhooks of an account go."""
        return self.url.replace("{psp_account}", quote(psp_account, safe=""))


class Sender:
    """Works off the queue, CONCURRENT_MAX at a time, in no order that a receiver could rely on."""

    def __init__(
        self, controls: Controls, deliveries: Deliveries, receiver: Receiver, wake: Callable[[], None]
    ) -> None:
        """Made within a running event loop. ``wake`` says that there is room for more."""
        self._controls = controls
        self._deliveries = deliveries
        self._receiver = receiver
        self._wake = wake
        self._sending: dict[int, asyncio.Task[None]] = {}
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))

    def send_due(self) -> None:
        """Starts to send what is due, as far as there is room."""
        for due in self._deliveries.due(self._controls.now(), CONCURRENT_MAX + len(self._sending)):
            if len(self._sending) >= CONCURRENT_MAX:
                return
            if due.sequence not in self._sending:
                self._sending[due.sequence] = asyncio.create_task(self._deliver(due))

    async def close(self) -> None:
        """Gives up what is being sent; it is sent again at the next start."""
        sending = list(self._sending.values())
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
        await self._session.close()

    async def _deliver(self, due: Due) -> None:
        try:
            status = await self._post(due)
            self._note(due, status)
        finally:
            del self._sending[due.sequence]
            self._wake()

    def _note(self, due: Due, status: int | None) -> None:
        now = self._controls.now()
        if _is_settled(due, status):
            self._deliveries.end(due.sequence, status, now)
            if due.kind is Kind.TRUE:
                self._deliveries.release(due, now)
        elif due.attempts + 1 >= ATTEMPTS_MAX:
            _LOG.error("webhook %d is given up after %d attempts", due.sequence, ATTEMPTS_MAX)
            self._deliveries.end(due.sequence, status, now)
        else:
            _LOG.info("webhook %d was answered with %s and is sent again", due.sequence, status)
            self._deliveries.put_off(due.sequence, status, now + timedelta(seconds=_backoff_s(due.attempts)))

    async def _post(self, due: Due) -> int | None:
        """The HTTP status of the answer, None where there was none."""
        headers = {"Content-Type": "application/json", SIGNATURE_HEADER: self._signature(due)}
        url = self._receiver.url_of(due.psp_account)
        try:
            async with self._session.post(
                url, data=due.body, headers=headers, allow_redirects=False
            ) as response:
                return response.status
        except (aiohttp.ClientError, TimeoutError):
            return None

    def _signature(self, due: Due) -> str:
        now_s = int(self._controls.now().timestamp())
        match due.kind:
            case Kind.FORGED:
                return signature(FORGERS_SECRET, now_s, due.body)
            case Kind.ALTERED:
                return signature(self._receiver.secret, now_s, b" " + due.body)
            case Kind.STALE:
                return signature(self._receiver.secret, now_s - UNBELIEVABLE_S, due.body)
            case Kind.FUTURE:
                return signature(self._receiver.secret, now_s + UNBELIEVABLE_S, due.body)
            case _:
                return signature(self._receiver.secret, now_s, due.body)


def _is_settled(due: Due, status: int | None) -> bool:
    """A true one needs a 2xx; of one that must not be believed it is enough that somebody refused it."""
    if status is None:
        return False
    return 200 <= status < 300 or (due.kind is not Kind.TRUE and status < 500)


def _backoff_s(attempts: int) -> float:
    return min(2.0 ** min(attempts, 10), BACKOFF_MAX_S)
