"""A receiver of webhooks that keeps what arrives and answers what its test says."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from payflow.psp.connector import Delivery
from tests.waiting import WAIT_S

ACCEPTED = 200


class WebhookReceiver:
    """What has arrived at ``url``; ``{psp_account}`` in it is for the sender to fill in."""

    def __init__(self) -> None:
        self.url = ""
        self._lock = threading.Lock()
        self._arrived: list[tuple[str, Delivery]] = []
        self._answers: deque[int] = deque()

    def answer_first(self, *statuses: int) -> None:
        """The next ones are answered with these, those behind them with 200."""
        with self._lock:
            self._answers.extend(statuses)

    def arrived(self) -> list[Delivery]:
        """Everything so far, in the order of its arrival."""
        with self._lock:
            return [delivery for _, delivery in self._arrived]

    def paths(self) -> set[str]:
        """The paths that it was sent to."""
        with self._lock:
            return {path for path, _ in self._arrived}

    def take(self, path: str, delivery: Delivery) -> int:
        """Keeps one and says what it is answered with."""
        with self._lock:
            self._arrived.append((path, delivery))
            return self._answers.popleft() if self._answers else ACCEPTED


@contextmanager
def receiving_webhooks(port: int = 0) -> Iterator[WebhookReceiver]:
    """Listens until the block ends; with port 0 the system chooses one."""
    receiver = WebhookReceiver()
    with ThreadingHTTPServer(("127.0.0.1", port), _handler(receiver.take)) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}/webhooks/{{psp_account}}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join(WAIT_S)


def _handler(take: Callable[[str, Delivery], int]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(take(self.path, Delivery(headers, body)))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """The tests' output is for what fails."""

    return Handler
