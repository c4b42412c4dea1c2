"""PayFlow as it runs in production, with every PSP that it speaks to, each of which sends webhooks to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from payflow.v1 import merchant_pb2
from tests.adyen_doubles import ANSWERED_WITHIN, running_adyen_double, settings_for
from tests.databases import Database
from tests.http_payments import HttpCaller
from tests.payments import Caller
from tests.ports import free_port
from tests.psps import AdyenPsp, Psp, SimulatorPsp, StripePsp
from tests.shops import GrpcShop, HttpShop, Shop
from tests.stack import running_stack
from tests.stripe_double.events import SECRET
from tests.stripe_double.running import API_KEY, running_stripe_double


@dataclass(frozen=True, slots=True)
class PspStack:
    """A server at ``address``, a gateway at ``url`` and a worker, on one database, and the PSPs."""

    database_url: str
    address: str
    url: str
    simulator: SimulatorPsp
    stripe: StripePsp
    adyen: AdyenPsp

    def psp(self, name: str) -> Psp:
        """The PSP of that connector."""
        psps: tuple[Psp, ...] = (self.simulator, self.stripe, self.adyen)
        return next(one for one in psps if one.name == name)

    @contextmanager
    def shop(self, psp: str, over: str) -> Iterator[Shop]:
        """A new merchant, whose payments can go to this PSP only and who calls over "grpc" or "http"."""
        merchant_id = f"shop_{uuid4().hex}"
        with Caller(self.address, merchant_id) as caller, HttpCaller(self.url) as http:
            _only_at(caller, psp)
            yield GrpcShop(caller) if over == "grpc" else HttpShop(http, merchant_id)


@contextmanager
def psp_stack(database: Database, directory: Path) -> Iterator[PspStack]:
    """All of it; everything is ended behind it."""
    port = free_port()
    webhooks = f"http://127.0.0.1:{port}/webhooks"
    adyen_options = ("--webhooks-to", f"{webhooks}/adyen", "--retry-s", "0.05")
    with (
        running_stripe_double(f"{webhooks}/stripe") as stripe,
        running_adyen_double(*adyen_options) as adyen,
        running_stack(
            database,
            directory,
            f"{webhooks}/simulator",
            **settings_for(adyen.url),
            STRIPE_API_BASE=stripe.url,
            STRIPE_API_KEY=API_KEY,
            STRIPE_WEBHOOK_SECRET=SECRET,
            STRIPE_TIMEOUT=ANSWERED_WITHIN,
        ) as stack,
    ):
        stack.worker()
        address = stack.serve()
        url = stack.gateway(address, port)
        psps = SimulatorPsp(stack.simulator), StripePsp(stripe), AdyenPsp(adyen)
        yield PspStack(database.owner_url, address, url, *psps)


def _only_at(caller: Caller, psp: str) -> None:
    """Makes the caller's merchant, who has a simulator account from the start."""
    merchant_id, merchants = caller.merchant_id, caller.merchants
    caller.reply(merchants.CreateMerchant, merchant_pb2.CreateMerchantRequest(merchant_id=merchant_id))
    if psp == "simulator":
        return
    account = merchant_pb2.CreatePspAccountRequest(merchant_id=merchant_id, id=psp, connector=psp)
    caller.reply(merchants.CreatePspAccount, account)
    disabled = merchant_pb2.UpdatePspAccountRequest(merchant_id=merchant_id, id="simulator", enabled=False)
    caller.reply(merchants.UpdatePspAccount, disabled)
