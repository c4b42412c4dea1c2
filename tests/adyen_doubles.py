"""Starts the double of Adyen as the process of its own that it is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, cast

import urllib3

from payflow.domain.psp_outcome import Accepted, ActionRequired, Approved, OperationType
from payflow.psp.adyen.connector import AdyenConnector, connect
from payflow.psp.connector import PspCall
from server.connectors import ConnectorSettings
from tests.adyen_double.__main__ import API_KEY, HMAC_KEY, MERCHANT_ACCOUNT
from tests.ports import free_port
from tests.waiting import WAIT_S, wait_until

# No time-out of a connector that is to be answered is this short.
ANSWERED_WITHIN = f"{WAIT_S:g}s"

_NUMBERS = count(1)


def psp_key(intent_number: int, attempt: int = 1) -> str:
    """A key as PayFlow makes them."""
    return f"pi_{intent_number:032d}-{attempt}"


def authorization(payment_method: str = "pm_card_visa", **changes: Any) -> PspCall:
    """A first authorization of 10.00 EUR under a key of its own."""
    call = PspCall(
        OperationType.AUTHORIZE,
        psp_key(next(_NUMBERS)),
        "shop",
        "adyen",
        "",
        1000,
        "EUR",
        payment_method,
        return_url="https://shop.example/back?order=7",
    )
    return replace(call, **changes)


def modification(operation: OperationType, payment_id: str, amount: int = 1000, **changes: Any) -> PspCall:
    """A capture, cancel or refund under a key of its own."""
    call = PspCall(operation, psp_key(next(_NUMBERS), 2), "shop", "adyen", "", amount, "EUR")
    return replace(call, psp_payment_id=payment_id, **changes)


def resumption(call: PspCall, waiting: ActionRequired, result: str) -> PspCall:
    """The call that goes on with a payment, under the next key of the same payment intent."""
    psp_key = f"{call.psp_key.rpartition('-')[0]}-2"
    return replace(call, psp_key=psp_key, psp_payment_id=waiting.psp_id, action_result=result)


def authorized(connector: AdyenConnector, **changes: Any) -> tuple[PspCall, str]:
    call = authorization(**changes)
    approved = connector.execute(call)
    assert isinstance(approved, Approved)
    return call, approved.psp_id


def accepted(connector: AdyenConnector, call: PspCall) -> str:
    outcome = connector.execute(call)
    assert isinstance(outcome, Accepted)
    return outcome.psp_id


def settings_for(url: str, **environment: str) -> dict[str, str]:
    """The environment of a connector to a double; further variables, or other values."""
    return {
        "ADYEN_API_BASE": url,
        "ADYEN_API_KEY": API_KEY,
        "ADYEN_MERCHANT_ACCOUNT": MERCHANT_ACCOUNT,
        "ADYEN_HMAC_KEY": HMAC_KEY,
        "ADYEN_TIMEOUT": ANSWERED_WITHIN,
        **environment,
    }


@contextmanager
def connected(environment: Mapping[str, str]) -> Iterator[AdyenConnector]:
    """A connector with these settings."""
    connector = connect(ConnectorSettings(environment))
    try:
        yield connector
    finally:
        connector.close()


@dataclass(frozen=True, slots=True)
class AdyenDouble:
    """A running double and what its tests ask of it."""

    url: str
    process: subprocess.Popen[str] = field(repr=False)

    def connector(self, **environment: str) -> AbstractContextManager[AdyenConnector]:
        """A connector to it, as a context manager."""
        return connected(settings_for(self.url, **environment))

    def effects(self, *calls: PspCall) -> list[tuple[str, int]]:
        """What moved under the keys of ``calls``, in order, with its value."""
        keys = {call.psp_key for call in calls}
        return [(row["effect"], row["value"]) for row in self.all_effects() if row["reference"] in keys]

    def all_effects(self) -> list[dict[str, Any]]:
        """Everything that moved, in order."""
        return cast(list[dict[str, Any]], self._ask("GET", "effects")["effects"])

    def webhooks(self, *calls: PspCall) -> list[dict[str, Any]]:
        """The webhooks that name the keys of ``calls``, in order: ``id``, ``item``, ``accepted``."""
        keys = {call.psp_key for call in calls}
        return [one for one in self._webhooks() if one["item"]["merchantReference"] in keys]

    def settle(self) -> None:
        """Waits until everything has been told that is to be told."""
        wait_until(lambda: all(one["accepted"] for one in self._webhooks()))

    def hold_webhooks(self, holds: bool = True, items_per_delivery: int = 1) -> None:
        """Sends none by itself from now on, or again, with several items in one delivery where it can."""
        self._ask("PUT", "webhooks", holds=holds, items_per_delivery=items_per_delivery)

    def deliver(self, *numbers: int, together: bool = False) -> list[int]:
        """Sends webhooks now, in this order; answers the HTTP statuses."""
        return cast(
            list[int], self._ask("POST", "deliveries", webhooks=numbers, together=together)["statuses"]
        )

    def goes_wrong(self, kind: str, endpoint: str = "", times: int = 1, delay_s: float = 0.0) -> None:
        """Lets the next requests meet a fault."""
        self._ask("POST", "faults", kind=kind, endpoint=endpoint, count=times, delay_s=delay_s)

    def faults_left(self) -> int:
        """How many more requests are to meet a fault."""
        return cast(int, self._ask("GET", "faults")["left"])

    def fail_later(self, psp_reference: str, event_code: str) -> None:
        """Rejects a capture or refund that had succeeded."""
        self._ask("POST", "failures", psp_reference=psp_reference, event_code=event_code)

    def decide(self, psp_reference: str, approved: bool) -> None:
        """Decides a payment that was only received."""
        self._ask("POST", "decisions", psp_reference=psp_reference, approved=approved)

    def expire(self, psp_reference: str) -> None:
        """Lets an authorization run out."""
        self._ask("POST", "expiries", psp_reference=psp_reference)

    def kill(self) -> None:
        """Ends it without a chance to finish anything."""
        self.process.kill()
        self.process.wait(WAIT_S)

    def _webhooks(self) -> list[dict[str, Any]]:
        return cast(list[dict[str, Any]], self._ask("GET", "webhooks")["webhooks"])

    def _ask(self, method: str, name: str, **body: object) -> dict[str, Any]:
        response = urllib3.request(
            method, f"{self.url}/control/{name}", json=body or None, retries=False, timeout=WAIT_S
        )
        assert response.status == 200, response.data
        return cast(dict[str, Any], response.json())


@contextmanager
def running_adyen_double(*options: str, port: int = 0) -> Iterator[AdyenDouble]:
    """Runs a double with further command line options; with port 0 on a free one."""
    command = [sys.executable, "-m", "tests.adyen_double", "--port", str(port or free_port()), *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        assert line.startswith("adyen double ready on "), line
        yield AdyenDouble(line.split()[-1], process)
    finally:
        process.kill()
        process.wait(WAIT_S)
        process.stderr.close()
