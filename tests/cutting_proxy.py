"""A TCP proxy before a server, whose connections are cut, refused and slowed down at will."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from tests.waiting import WAIT_S

T = TypeVar("T")

CHUNK_BYTES = 16_384
# SO_LINGER with no time: closing resets the connection, and whatever is on its way is lost.
RESETS = struct.pack("ii", 1, 0)


class CuttingProxy:
    """Listens on ``port`` for the server on ``server_port``, both on 127.0.0.1; asked from any thread.

    ``cuts`` counts the connections that were cut.
    """

    def __init__(self, port: int, server_port: int, loop: asyncio.AbstractEventLoop) -> None:
        self.port = port
        self.cuts = 0
        self._server_port = server_port
        self._loop = loop
        self._delay_s = 0.0
        self._listener: asyncio.Server | None = None
        self._open: dict[asyncio.Task[Any], tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = {}

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._open)

    def cut(self) -> None:
        """Resets every connection, in the middle of whatever is said; new ones are let in."""
        self._run(self._cut())

    def refuse(self) -> None:
        """Resets every connection and lets no new one in."""
        self._run(self._refuse())

    def accept(self) -> None:
        """Lets connections in, as at first."""
        self._run(self._accept())

    def delay(self, seconds: float) -> None:
        """Every piece that is said from now on takes so much longer."""
        self._delay_s = seconds

    async def _accept(self) -> None:
        if self._listener is None:
            self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _refuse(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self._cut()

    async def _cut(self) -> None:
        for ends in self._open.values():
            for end in ends:
                if not end.transport.is_closing():
                    end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETS)
                    end.transport.abort()
        self.cuts += len(self._open)
        await asyncio.gather(*self._open)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            writer.transport.abort()
            return
        self._open[task] = (writer, to_server)
        await asyncio.gather(self._pass_on(reader, to_server), self._pass_on(from_server, writer))
        del self._open[task]

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until one side has gone; then the other one goes as well."""
        with suppress(OSError):
            while piece := await reader.read(CHUNK_BYTES):
                await asyncio.sleep(self._delay_s)
                writer.write(piece)
                await writer.drain()
        writer.close()

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(WAIT_S)


@contextmanager
def running_cutting_proxy(port: int, server_port: int) -> Iterator[CuttingProxy]:
    """A proxy on an event loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="cutting proxy")
    thread.start()
    proxy = CuttingProxy(port, server_port, loop)
    try:
        proxy.accept()
        yield proxy
    finally:
        proxy.refuse()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WAIT_S)
        loop.close()
