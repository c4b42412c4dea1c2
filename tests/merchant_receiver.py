"""A merchant's receiver of webhooks: it keeps what arrives and answers what its test says."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.waiting import WAIT_S


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request; names of ``headers`` are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def webhook_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def content(self) -> Any:
        return json.loads(self.body)

    @property
    def told(self) -> tuple[str, str, int]:
        """What happened: object, type and place in its history."""
        data = self.content["data"]
        return data["object_id"], self.content["type"], data["sequence"]


class MerchantReceiver:
    """Answers with ``status`` and ``headers``, those types apart that ``refused_types`` names."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.headers: dict[str, str] = {}
        self.refused_types: set[str] = set()
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._lock = threading.Lock()
        self._arrivals: list[Arrival] = []

    def arrivals(self) -> list[Arrival]:
        """Everything so far, in the order of its arrival."""
        with self._lock:
            return list(self._arrivals)

    def clear(self) -> None:
        """Forgets what has arrived."""
        with self._lock:
            self._arrivals.clear()

    def take(self, arrival: Arrival) -> int:
        """Keeps one and says what it is answered with."""
        with self._lock:
            self._arrivals.append(arrival)
        assert self.may_answer.wait(WAIT_S)
        return 500 if arrival.content["type"] in self.refused_types else self.status


class _Server(ThreadingHTTPServer):
    # As many as there are senders: who finds the queue full comes again after seconds.
    request_queue_size = 128


@contextmanager
def merchant_receiver(
    tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> Iterator[MerchantReceiver]:
    """Listens on a port of its own until the block ends; with ``tls``, over https at the name ``host``."""
    receiver = MerchantReceiver()
    with _Server(("127.0.0.1", 0), _handler(receiver)) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        receiver.url = f"{'https' if tls else 'http'}://{host}:{server.server_port}/payflow"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield receiver
        finally:
            receiver.may_answer.set()
            server.shutdown()
            thread.join(WAIT_S)


def _handler(receiver: MerchantReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(receiver.take(Arrival(self.path, headers, body)))
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """The tests' output is for what fails."""

    return Handler
