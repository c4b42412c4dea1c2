"""Corner Pay, the made-up PSP of docs/connectors.md: real HTTP, everything in memory."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY, SECRET = "corner-key", "corner-secret"
TOKENS: dict[str, dict[str, str]] = {
    "pm_card_declined": {"state": "declined", "code": "51"},
    "pm_card_odd": {"state": "declined", "code": "99"},
    "pm_card_3ds": {"state": "action", "url": "https://corner.example/3ds"},
}


@dataclass
class CornerPay:
    """``operations`` are answers by reference; where ``fails_with`` is set it does nothing else."""

    url: str = ""
    operations: dict[str, dict[str, str]] = field(default_factory=dict)
    executed: list[tuple[str, int]] = field(default_factory=list)
    fails_with: int = 0

    def answer(self, method: str, path: str, key: str, body: dict[str, Any]) -> tuple[int, dict[str, str]]:
        """The status and the body of an answer."""
        if self.fails_with:
            return self.fails_with, {}
        _, kind, name, *rest = path.split("/")
        if kind == "operations":
            if rest == ["block"]:
                return 200, self.operations.setdefault(name, {"state": "blocked"})
            return (200, self.operations[name]) if name in self.operations else (404, {})
        if key not in self.operations:
            told = TOKENS.get(body["token"], {"state": "done"})
            self.operations[key] = {"id": name or f"corner-{len(self.operations)}", "code": "", **told}
            self.executed.append((rest[0] if rest else "payments", body["amount"]))
        return 200, self.operations[key]


def webhook(
    reference: str, operation: str, payment: str, secret: str = SECRET
) -> tuple[dict[str, str], bytes]:
    """The headers and the body of a webhook about something that was done."""
    event = {"id": f"evt-{reference}", "reference": reference, "operation": operation}
    body = json.dumps({**event, "payment": payment, "state": "done"} | {"id": payment}).encode()
    return {"corner-signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}, body


@contextmanager
def running_corner_pay() -> Iterator[CornerPay]:
    """Serves it on a loopback port."""
    psp = CornerPay()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve({})

        def do_POST(self) -> None:
            self._serve(json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}"))

        def _serve(self, body: dict[str, Any]) -> None:
            path = self.path if self.path.count("/") > 1 else self.path + "/"
            known = self.headers["Authorization"] == f"Bearer {KEY}"
            key = self.headers["Idempotency-Key"]
            status, answer = psp.answer(self.command, path, key, body) if known else (401, {})
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    psp.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield psp
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
