"""A merchant whom the double of Adyen tells what happened."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from payflow.domain.psp_notice import Notice
from payflow.psp.adyen.connector import AdyenConnector
from payflow.psp.connector import Delivery, PspCall
from tests.waiting import WAIT_S, wait_until


class Merchant:
    """Where webhooks are sent to; refuses them while it is ``away``."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.away = False
        self.refused = 0
        merchant = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                away = merchant.away  # once: what is answered is what was done
                merchant.refused += away
                if not away:
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    merchant.deliveries.append(Delivery(headers, body))
                self.send_response(503 if away else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/webhooks/adyen"

    @contextmanager
    def listening(self) -> Iterator[Merchant]:
        thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            self.server.server_close()
            thread.join(WAIT_S)


def notices(connector: AdyenConnector, deliveries: Sequence[Delivery], *calls: PspCall) -> list[Notice]:
    """What the deliveries say of the calls, in the order in which it was said."""
    keys = {call.psp_key for call in calls}
    items = [
        item
        for one in deliveries
        for item in connector.receive(one, "", datetime.now(UTC))
        if item.reference in keys
    ]
    read = [connector.interpret(item.content, "") for item in items]
    return [notice for notice in read if notice is not None]


def told(connector: AdyenConnector, merchant: Merchant, number: int, *calls: PspCall) -> list[Notice]:
    """The first ``number`` notices of the calls, as soon as they are there."""
    wait_until(lambda: len(notices(connector, merchant.deliveries, *calls)) >= number)
    return notices(connector, merchant.deliveries, *calls)
