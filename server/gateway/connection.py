"""An HTTP connection with the bounds that uvicorn leaves open."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from payflow.domain.errors import invalid_field
from server.gateway.errors import refusal_reply
from server.gateway.limits import Limits


class BoundedConnection(HttpToolsProtocol):
    """Bounds the number of connections, and the size and time of a request's head.

    uvicorn's own time-out runs between requests only, so a caller who sends a head byte by byte, or
    nothing at all, would keep a connection for ever.
    """

    limits: ClassVar[Limits] = Limits()
    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        """A connection too many is cut off at once."""
        super().connection_made(transport)
        self._await_head()
        if len(self.connections) > self.limits.connections_max:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Also stops the timer."""
        self._head_arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Counts what arrives while no request is being served, which is part of a head."""
        super().data_received(data)
        if self._is_idle() and not self.transport.is_closing():
            self._await_head()
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.head_bytes_max:
                self._refuse_head()

    def on_headers_complete(self) -> None:
        """Starts the request, unless its head came in one piece and is too large."""
        self._head_arrived()
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > self.limits.head_bytes_max:
            raise ValueError("the head is too large")
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Called for what is not HTTP: the contract's error in place of uvicorn's text."""
        self._refuse_head()

    def timeout_keep_alive_handler(self) -> None:
        """Also cuts off a caller who has not taken the last answer by now."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        super().timeout_keep_alive_handler()

    def _is_idle(self) -> bool:
        # uvicorn declares its cycle as always there, but begins without one.
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.limits.head_timeout_s, self.transport.close)

    def _head_arrived(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse_head(self) -> None:
        expected = f"must be valid HTTP/1.1 with a head of at most {self.limits.head_bytes_max} bytes"
        reply = refusal_reply(invalid_field("request", expected))
        head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
        self.transport.write(STATUS_LINE[reply.status] + head % len(reply.body) + reply.body)
        self.transport.close()
