"""PayFlow in this process with two PSPs that send webhooks, a clock that is turned, and a real gateway."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from payflow.v1 import merchant_pb2
from server.config import Settings
from server.wiring import Core
from server.worker.webhooks import Webhooks
from tests.databases import Database
from tests.http_payments import HttpCaller, HttpReply
from tests.in_process import served
from tests.integration.gateway.gateway_process import GatewayProcess, running_gateway
from tests.payments import Caller
from tests.signed_webhooks import SIGNATURE, SigningConnector, signature
from tests.turned_clock import TurnedClock

# A connector that asks for a body of its own, and one that does not care.
ACME, BOLT = "acme", "bolt"
ACME_REPLY = "[accepted]"
SECRET, SHOP_SECRET = b"the platform's secret", b"the shop's secret"
ACCOUNT = "acme-main"

ROWS = "SELECT * FROM webhook_inbox WHERE psp_account_id = %s ORDER BY received_at, position"


@dataclass(slots=True)
class WebhookStack:
    """The account ACCOUNT of merchant_test leads to ACME, with the secret SECRET."""

    database: Database
    clock: TurnedClock
    core: Core
    acme: SigningConnector
    gateway: GatewayProcess
    http: HttpCaller
    caller: Caller
    address: str

    def worker(self, *without: str) -> Webhooks:
        """A worker of its own, on the same database and clock, with all connectors but some."""
        connectors = {name: one for name, one in self.core.connectors.items() if name not in without}
        ports = replace(self.core.ports, connectors=connectors)
        return Webhooks(ports, self.core.webhooks, self.core.lease)

    def account(
        self, psp_account_id: str, connector: str = ACME, ref: str = "", merchant_id: str = ""
    ) -> None:
        """Opens an account at a PSP for a merchant."""
        request = merchant_pb2.CreatePspAccountRequest(
            merchant_id=merchant_id or self.caller.merchant_id,
            id=psp_account_id,
            connector=connector,
            credential_ref=ref,
        )
        self.caller.reply(self.caller.merchants.CreatePspAccount, request)

    def send(
        self,
        *lines: bytes,
        account: str = ACCOUNT,
        secret: bytes = SECRET,
        at: datetime | None = None,
        **headers: str,
    ) -> HttpReply:
        """A delivery as the PSP sends it."""
        body = b"\n".join(lines)
        signed = {SIGNATURE: signature(secret, at or self.clock.now(), body)}
        return self.http.send("POST", f"/webhooks/{account}", body, **signed, **headers)

    def reference(self) -> tuple[str, str]:
        """A new payment intent's id, and a reference of it."""
        intent_id = self.caller.create().id
        return intent_id, f"{intent_id}-1"

    def rows(self, account: str = ACCOUNT) -> list[dict[str, Any]]:
        """What is in the inbox, in the order in which it came."""
        with psycopg.connect(self.database.owner_url, row_factory=dict_row) as connection:
            return connection.execute(ROWS, [account]).fetchall()

    def row(self, event_id: str) -> dict[str, Any]:
        """One event of the inbox."""
        with psycopg.connect(self.database.owner_url, row_factory=dict_row) as connection:
            query = "SELECT * FROM webhook_inbox WHERE event_id = %s"
            [found] = connection.execute(query, [event_id]).fetchall()
            return found

    def work(self) -> int:
        """Works off what is due, until nothing is."""
        worker, found = self.worker(), 0
        while batch := worker.due():
            found += batch
        return found


@contextmanager
def webhook_stack(database: Database, **environment: str) -> Iterator[WebhookStack]:
    """Everything is closed behind it. Payments need SIMULATOR_URL; they go to ACCOUNT."""
    clock = TurnedClock()
    basics = {"DATABASE_URL": database.application_url, "DB_MAX_IDLE_CONNS": "2"}
    settings = Settings.from_environment(basics | environment)
    core = Core(settings, clock)
    try:
        inner = core.connectors["simulator"]
        acme = SigningConnector(inner, ACME, {"": SECRET, "SHOP": SHOP_SECRET}, ACME_REPLY)
        bolt = SigningConnector(inner, BOLT, {"": SECRET})
        core.connectors |= {ACME: acme, BOLT: bolt}
        with (
            served(core, settings) as address,
            running_gateway(int(address.rpartition(":")[2])) as gateway,
            HttpCaller(f"http://127.0.0.1:{gateway.port}") as http,
            Caller(address) as caller,
        ):
            stack = WebhookStack(database, clock, core, acme, gateway, http, caller, address)
            caller.create()
            stack.account(ACCOUNT)
            yield stack
    finally:
        core.close()
