"""A Stripe account for tests: localstripe and the front before it, on an event loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import aiohttp
from aiohttp import web

from payflow.psp.stripe.connector import StripeConnector
from server.connectors import ConnectorSettings
from tests.stripe_double.answers import Object
from tests.stripe_double.events import SECRET, Events
from tests.stripe_double.faults import Fault, Hold
from tests.stripe_double.front import Front, Seen
from tests.stripe_double.localstripe import running_localstripe
from tests.turned_clock import TurnedClock
from tests.waiting import WAIT_S

T = TypeVar("T")

API_KEY = "sk_test_double"


class StripeDouble:
    """What tests ask of the account, from any thread."""

    def __init__(self, front: Front, url: str, clock: TurnedClock, loop: asyncio.AbstractEventLoop) -> None:
        self.url = url
        self.clock = clock
        self._front = front
        self._loop = loop

    @contextmanager
    def connector(self, timeout_s: float = WAIT_S, **environment: str) -> Iterator[StripeConnector]:
        """A connector to it, with the account's clock."""
        settings = {"STRIPE_API_BASE": self.url, "STRIPE_API_KEY": API_KEY} | environment
        connector = StripeConnector(ConnectorSettings(settings), timeout_s, self.clock.now)
        try:
            yield connector
        finally:
            connector.close()

    def forget(self) -> None:
        """Back to an account with nothing in it."""
        self._run(self._front.forget())

    def fails(self, fault: Fault) -> None:
        """Lets a fault strike once."""
        self._call(lambda: self._front.faults.add(fault))

    def nothing_fails(self) -> None:
        """Takes back the faults that have not struck."""
        self._call(self._front.faults.clear)

    def held(self, hold: Hold) -> None:
        """Waits until a request has come to the hold."""
        self._run(hold.reached.wait())

    def let_go(self, hold: Hold) -> None:
        """Lets the request go on."""
        self._call(hold.go.set)

    def compares_keys_first(self, first: bool) -> None:
        """What Stripe looks at first where a key is at work for another request."""
        self._call(lambda: setattr(self._front.keys, "compares_first", first))

    def seen(self, name: str = "") -> list[Seen]:
        """The requests that arrived, those whose method and path begin with ``name``."""
        return self._call(lambda: [one for one in self._front.seen if one.name.startswith(name)])

    def payments(self) -> list[Object]:
        """All payments, newest first."""
        return self._run(self._front.payments.listed({}))

    def payment(self, payment_id: str) -> Object:
        """A payment."""
        return self._run(self._front.payments.shown(payment_id))

    def refunds(self, payment_id: str) -> list[Object]:
        """A payment's refunds, newest first."""
        return self._run(self._front.refunds.listed({"payment_intent": payment_id}))

    def authenticate(self, payment_id: str, succeeds: bool = True) -> None:
        """The payer authenticates, or fails to."""
        self._run(self._front.payments.authenticate(payment_id, succeeds))

    def captured_elsewhere(self, payment_id: str, amount: int) -> None:
        """Somebody captures in the Dashboard."""
        self._run(self._front.payments.capture(payment_id, {"amount_to_capture": str(amount)}))

    def canceled_elsewhere(self, payment_id: str, reason: str) -> None:
        """Somebody cancels in the Dashboard, or Stripe does (``expired``)."""
        self._run(self._front.payments.cancel(payment_id, {"cancellation_reason": reason}))

    def refunds_begin(self, status: str) -> None:
        """The status of refunds that are asked for from now on."""
        self._call(lambda: setattr(self._front.refunds, "first_status", status))

    def refund_becomes(self, refund_id: str, status: str, failure_reason: str | None = None) -> None:
        """A bank goes on with a refund."""
        self._run(self._front.refund_becomes(refund_id, status, failure_reason))

    def hold_webhooks(self, holds: bool = True) -> None:
        """Sends none from now on, or again and what was kept before."""
        self._call(lambda: self._events.hold(holds))

    def settle(self) -> None:
        """Waits until everything has been told that is to be told."""
        self._run(self._events.settle())

    @property
    def _events(self) -> Events:
        assert self._front.events is not None, "it runs without webhooks"
        return self._front.events

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(WAIT_S)

    def _call(self, function: Callable[[], T]) -> T:
        async def run() -> T:
            return function()

        return self._run(run())


@contextmanager
def running_stripe_double(webhooks_to: str = "") -> Iterator[StripeDouble]:
    """Runs localstripe and the front.

    With ``webhooks_to``, a URL, it tells what happens, signed with SECRET.
    """
    clock = TurnedClock()
    with running_localstripe() as localstripe_url, _running_loop() as loop:
        run = asyncio.run_coroutine_threadsafe
        front, runner, client, url = run(_start(localstripe_url, clock, webhooks_to), loop).result(WAIT_S)
        try:
            yield StripeDouble(front, url, clock, loop)
        finally:
            run(_stop(runner, client), loop).result(WAIT_S)


async def _start(
    localstripe_url: str, clock: TurnedClock, webhooks_to: str
) -> tuple[Front, web.AppRunner, aiohttp.ClientSession, str]:
    client = aiohttp.ClientSession()
    front = Front(localstripe_url, client, clock.now)
    if webhooks_to:
        # Whoever verifies them looks at the machine's clock.
        front.events = Events(client, webhooks_to, SECRET, lambda: datetime.now(UTC))
    runner = web.AppRunner(front.application(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    front.payments.page_url = f"{url}/3d_secure"
    return front, runner, client, url


async def _stop(runner: web.AppRunner, client: aiohttp.ClientSession) -> None:
    await runner.cleanup()
    await client.close()


@contextmanager
def _running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WAIT_S)
        loop.close()
