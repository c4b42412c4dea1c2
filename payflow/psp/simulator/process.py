"""The simulator as a process: opens its file, serves until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from aiohttp import web

from payflow.psp.simulator.background import Background
from payflow.psp.simulator.behaviour import Behaviour
from payflow.psp.simulator.database import Database
from payflow.psp.simulator.psp import Psp
from payflow.psp.simulator.sender import Receiver
from payflow.psp.simulator.server import Server

KEEPALIVE_TIMEOUT_S = 75
SHUTDOWN_TIMEOUT_S = 5
BACKLOG = 1_024

_DEFAULT = Behaviour()


def run(
    data_path: Path,
    host: str,
    port: int,
    behaviour: Behaviour = _DEFAULT,
    receiver: Receiver | None = None,
) -> int:
    """Serves until SIGTERM or SIGINT, finishes the requests under way and returns the exit code 0.

    ``data_path`` is the SQLite file, made where there is none; with port 0 the system chooses one.
    Without a ``receiver`` there are no webhooks. Says on stderr where it listens. Raises OSError where it
    cannot listen (a port in use names itself) and sqlite3.Error where the file cannot be used.
    """
    database = Database(data_path)
    try:
        psp = Psp(
            database,
            behaviour,
            lambda: datetime.now(UTC),
            lambda: uuid4().hex,
            announces=receiver is not None,
        )
        asyncio.run(_serve(psp, host, port, receiver))
    finally:
        database.close()
    return 0


async def _serve(psp: Psp, host: str, port: int, receiver: Receiver | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    background = Background(psp)
    server = Server(psp, background.wake)
    runner = web.AppRunner(
        server.application(),
        access_log=None,
        handler_cancellation=True,
        keepalive_timeout=KEEPALIVE_TIMEOUT_S,
        shutdown_timeout=SHUTDOWN_TIMEOUT_S,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=BACKLOG).start()
        print(f"simulator ready on {_url(runner)}", file=sys.stderr, flush=True)
        await _until(stop, background, receiver)
        server.stop_hanging()
    finally:
        await runner.cleanup()


async def _until(stop: asyncio.Event, background: Background, receiver: Receiver | None) -> None:
    """Runs the background until ``stop``; raises what ended it before."""
    working = asyncio.create_task(background.run(receiver))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
    for task in (working, stopping):
        task.cancel()
    await asyncio.wait((working, stopping))
    if not working.cancelled():
        working.result()


def _url(runner: web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
