"""A TCP proxy before a server, whose connections are cut, refused and slowed down at will."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.waiting import WAIT_S

T = TypeVar("T")

CHUNK_BYTES = 16_384
# SO_LINGER with no time: closing resets the connection, and whatever is on its way is lost.
RESETS = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Passage:
    """A connection and the one to the server that belongs to it, as far as they are open yet."""

    ends: list[asyncio.StreamWriter] = field(default_factory=list)
    is_cut: bool = False

    def cut(self) -> None:
        """Resets both."""
        self.is_cut = True
        for end in self.ends:
            with suppress(OSError):  # it is closed already
                end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETS)
            end.transport.abort()


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
        self._listener: socket.socket | None = None
        self._open: dict[asyncio.Task[None], Passage] = {}

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
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._listener.setblocking(False)
            self._loop.add_reader(self._listener, self._let_in, self._listener)

    async def _refuse(self) -> None:
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        await self._cut()

    async def _cut(self) -> None:
        for passage in self._open.values():
            passage.cut()
        self.cuts += len(self._open)
        await asyncio.gather(*self._open)

    def _let_in(self, listener: socket.socket) -> None:
        """Known from its first moment on: a server of asyncio's own loses who comes while it is closed."""
        with suppress(OSError):
            connection, _ = listener.accept()
            passage = Passage()
            self._open[self._loop.create_task(self._serve(connection, passage))] = passage

    async def _serve(self, connection: socket.socket, passage: Passage) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        passage.ends.append(writer)
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            writer.transport.abort()
        else:
            passage.ends.append(to_server)
            if passage.is_cut:
                passage.cut()
            await asyncio.gather(self._pass_on(reader, to_server), self._pass_on(from_server, writer))
        for end in passage.ends:
            with suppress(OSError):
                await end.wait_closed()
        task = asyncio.current_task()
        assert task is not None
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
