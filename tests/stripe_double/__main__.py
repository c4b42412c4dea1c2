"""`python -m tests.stripe_double`: a Stripe to play with on this machine. docs/psp/stripe.md shows how."""

from __future__ import annotations

import argparse
import asyncio
import signal
from datetime import UTC, datetime

import aiohttp
from aiohttp import web

from tests.stripe_double.events import SECRET, Events
from tests.stripe_double.front import Front
from tests.stripe_double.localstripe import running_localstripe

HOST = "127.0.0.1"


def main() -> None:
    """Runs until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.stripe_double", description=__doc__)
    parser.add_argument("--port", type=int, default=8420, help="port to listen on")
    parser.add_argument("--webhook-url", default="", help="where events are sent")
    parser.add_argument("--webhook-secret", default=SECRET, help="what events are signed with")
    arguments = parser.parse_args()
    with running_localstripe() as localstripe_url:
        asyncio.run(_serve(localstripe_url, arguments))


async def _serve(localstripe_url: str, arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    url = f"http://{HOST}:{arguments.port}"
    async with aiohttp.ClientSession() as client:
        front = Front(localstripe_url, client, _now)
        front.payments.page_url = f"{url}/3d_secure"
        if arguments.webhook_url:
            front.events = Events(client, arguments.webhook_url, arguments.webhook_secret, _now)
        runner = web.AppRunner(front.application(), access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, arguments.port).start()
            print(f"a Stripe in test mode is ready on {url}; its keys begin with sk_test_", flush=True)
            await stop.wait()
        finally:
            await runner.cleanup()


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    main()
