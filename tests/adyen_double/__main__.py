"""The double as a process: opens its file, serves until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import signal
import string
import sys
from contextlib import suppress
from datetime import UTC, datetime

from aiohttp import web

from tests.adyen_double.authorising import Authorising
from tests.adyen_double.deliveries import Deliveries
from tests.adyen_double.journal import Journal
from tests.adyen_double.modifying import Modifying
from tests.adyen_double.server import Server
from tests.adyen_double.store import Store

HOST = "127.0.0.1"
SHUTDOWN_TIMEOUT_S = 5
# Published, so that nobody takes them for secrets.
API_KEY = "adyen_double_api_key"
MERCHANT_ACCOUNT = "AdyenDoubleECOM"
HMAC_KEY = "44" * 32

_REFERENCE_CHARACTERS = string.ascii_uppercase + string.digits
_REFERENCE_LENGTH = 16


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m tests.adyen_double", description="A double of Adyen.")
    parser.add_argument("--port", type=int, default=8090, help="0 for any")
    parser.add_argument("--webhooks-to", default="", help="URL that webhooks are sent to; nobody's without")
    parser.add_argument("--data", default=":memory:", help="SQLite file; in memory without")
    parser.add_argument("--terse", action="store_true", help="say little of payments with 3D Secure")
    parser.add_argument("--retry-s", type=float, default=2.0, help="until a webhook is sent again")
    parser.add_argument("--api-key", default=API_KEY)
    parser.add_argument("--merchant-account", default=MERCHANT_ACCOUNT)
    parser.add_argument("--hmac-key", default=HMAC_KEY, help="hexadecimal")
    asyncio.run(_serve(parser.parse_args()))


async def _serve(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    store = Store(options.data)
    deliveries = Deliveries(store, options.webhooks_to, options.hmac_key, options.retry_s)
    journal = Journal(store, options.merchant_account, lambda: datetime.now(UTC), _new_reference)
    server = Server(
        store,
        Authorising(journal, options.terse),
        Modifying(journal),
        deliveries,
        options.api_key,
        options.merchant_account,
    )
    runner = web.AppRunner(server.application(), access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S)
    await runner.setup()
    sending = asyncio.create_task(deliveries.run())
    try:
        await web.TCPSite(runner, HOST, options.port).start()
        print(f"adyen double ready on http://{HOST}:{runner.addresses[0][1]}", file=sys.stderr, flush=True)
        await stop.wait()
        server.stop_hanging()
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
        await runner.cleanup()
        store.close()


def _new_reference() -> str:
    return "".join(secrets.choice(_REFERENCE_CHARACTERS) for _ in range(_REFERENCE_LENGTH))


if __name__ == "__main__":
    main()
