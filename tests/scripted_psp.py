"""A PSP that does what its test wrote down for it, over real HTTP."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from tests.ports import free_port
from tests.waiting import WAIT_S

Act = Callable[[socket.socket], None]


def http(status: int, body: bytes, headers: str = "") -> Act:
    """Answers; ``headers`` are whole lines, each with its CRLF."""
    head = f"HTTP/1.1 {status} x\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode()
    return lambda connection: connection.sendall(head + body)


def answer(status: int, body: object, headers: str = "") -> Act:
    """Answers with JSON."""
    return http(status, json.dumps(body).encode(), headers)


def close(connection: socket.socket) -> None:
    """Breaks the connection without a word."""
    connection.close()


def dribble(connection: socket.socket) -> None:
    """Answers so slowly that nobody waits for the end of it."""
    connection.sendall(b"HTTP/1.1 200 x\r\nContent-Length: 100\r\n\r\n")
    _dribble(connection)


def dribble_headers(connection: socket.socket) -> None:
    """The same, before its headers have an end."""
    connection.sendall(b"HTTP/1.1 200 x\r\nContent-Length: 0\r\nX-Slow:")
    _dribble(connection, b"\r\n\r\n")


def _dribble(connection: socket.socket, end: bytes = b"") -> None:
    with connection, suppress(OSError):
        for _ in range(100):
            connection.sendall(b" ")
            time.sleep(0.05)
        connection.sendall(end)


class Script:
    """A server that does one act per request, in order, and then stops listening."""

    def __init__(self, acts: list[Act]) -> None:
        self.requests: list[bytes] = []
        self._acts = acts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._ends = False
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        while self._acts:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                break
            self._open.append(connection)
            if self._ends:
                break
            with suppress(OSError):  # whoever asked has gone
                self._answer(connection)
        self._listener.close()

    def _answer(self, connection: socket.socket) -> None:
        while self._acts and connection.fileno() >= 0:
            request = _request(connection)
            if not request:
                return
            self.requests.append(request)
            act = self._acts.pop(0)
            if not self._acts:
                self._listener.close()
            act(connection)

    def __enter__(self) -> Script:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends = True
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._thread.join(WAIT_S)
        for one in (self._listener, *self._open):
            one.close()
        assert not self._thread.is_alive()


def _request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        received = connection.recv(65_536)
        if not received:
            return b""
        data += received
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [
        line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    ]
    while lengths and len(body) < int(lengths[0]):
        body += connection.recv(65_536)
    return head.split(b"\r\n")[0] + b"\n" + body


def unused_url() -> str:
    """An address that nobody listens on, nor will, as they may on a port that the system gives out."""
    return f"http://127.0.0.1:{free_port()}"
