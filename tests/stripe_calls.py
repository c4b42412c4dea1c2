"""Calls for the Stripe connector, and what Stripe answers in the tests that write its answers down."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any
from urllib.parse import parse_qs

from payflow.domain.declines import failure
from payflow.domain.psp_outcome import Declined, NotExecuted, OperationType
from payflow.psp.connector import PspCall
from payflow.psp.stripe.connector import StripeConnector
from server.connectors import ConnectorSettings
from tests.scripted_psp import Act, Script
from tests.waiting import WAIT_S

ASKED_AT = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
Fields = dict[str, Any]

API_KEY = "sk_test_scripted"

_NUMBERS = count(1)


def authorization(payment_method: str = "pm_card_visa", **changes: Any) -> PspCall:
    """A first authorization of 10.00 USD under a key of its own."""
    call = PspCall(
        OperationType.AUTHORIZE,
        f"pi_{next(_NUMBERS)}-1",
        "shop",
        "acc",
        "",
        1000,
        "USD",
        payment_method,
        asked_at=ASKED_AT,
    )
    return replace(call, **changes)


def modification(operation: OperationType, payment_id: str, amount: int = 1000, **changes: Any) -> PspCall:
    """A capture, cancel, refund or resumed authorization under a key of its own."""
    return authorization(operation=operation, psp_payment_id=payment_id, amount=amount, **changes)


def payment(status: str, **fields: Any) -> dict[str, Any]:
    """A PaymentIntent."""
    return {
        "id": "pi_s",
        "object": "payment_intent",
        "status": status,
        "amount": 1000,
        "amount_received": 1000 if status == "succeeded" else 0,
        "currency": "usd",
        "capture_method": "manual",
        "metadata": {},
        **fields,
    }


def refund(status: str, **fields: Any) -> dict[str, Any]:
    """A Refund."""
    return {"id": "re_s", "object": "refund", "status": status, "amount": 1000, "currency": "usd", **fields}


def error(kind: str = "invalid_request_error", **fields: Any) -> dict[str, Any]:
    """The body of an error."""
    return {"error": {"type": kind, "message": "No.", **fields}}


def decline(code: str, decline_code: str | None = None, **fields: Any) -> dict[str, Any]:
    """The body of a declined payment, which stays open at Stripe."""
    said = {"type": "card_error", "code": code, "decline_code": decline_code, **fields}
    left_open = payment("requires_payment_method", last_payment_error=said)
    return error("card_error", code=code, decline_code=decline_code, **fields, payment_intent=left_open)


@contextmanager
def scripted(
    *acts: Act, timeout_s: float = WAIT_S, now: datetime = ASKED_AT, **environment: str
) -> Iterator[tuple[Script, StripeConnector]]:
    """A connector to a Stripe that does one act per request."""
    with Script(list(acts)) as script:
        settings = {"STRIPE_API_BASE": script.url, "STRIPE_API_KEY": API_KEY} | environment
        connector = StripeConnector(ConnectorSettings(settings), timeout_s, lambda: now)
        try:
            yield script, connector
        finally:
            connector.close()


def sent(request: bytes) -> tuple[str, dict[str, str]]:
    """Request line and form of a request that a Script received."""
    line, _, body = request.partition(b"\n")
    return line.decode(), {name: values[0] for name, values in parse_qs(body.decode()).items()}


def not_executed(code: str, psp_code: str = "") -> NotExecuted:
    """That outcome."""
    return NotExecuted(failure(code, psp_code))


def declined(code: str, psp_code: str = "", psp_id: str = "pi_s") -> Declined:
    """That outcome."""
    return Declined(failure(code, psp_code), psp_id)


def as_json(value: object) -> bytes:
    """Bytes of a webhook."""
    return json.dumps(value).encode()


CALLS = [
    authorization(),
    authorization(sale=True),
    modification(OperationType.CAPTURE, "pi_s"),
    modification(OperationType.CANCEL, "pi_s"),
    modification(OperationType.REFUND, "pi_s"),
]
